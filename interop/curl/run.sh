#!/bin/sh
# Runs the shell lines of each dialect against the built binary and prints one JSON line per outcome.
# The test writes one file of variables per target beside the targets file that it names here.
here=$(dirname "$0")
variables=$(dirname "$1")/variables
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# say WAY OUTCOME DETAIL
say() {
    detail=$(printf '%s' "$3" | tr -d '"\\' | tr '\n\t\r' '   ' | cut -c1-300)
    printf '{"client":"curl","version":"","target":"%s","way":"%s","outcome":"%s","detail":"%s"}\n' "$NAME" "$1" "$2" "$detail"
}

# step STATUS PATTERN curl …: the command's answer has this status, and its body this pattern. The first step that fails ends the walk.
step() {
    [ -z "$failed" ] || return 0
    want=$1 pattern=$2
    shift 2
    status=$("$@" -sS --max-time 10 -o "$answer" -w '%{http_code}' 2>&1)
    if [ "$status" != "$want" ]; then
        failed="status $status instead of $want: $(cat "$answer")"
    elif ! tr -d '\n' <"$answer" | grep -Eq -- "$pattern"; then
        failed="no $pattern in $(cat "$answer")"
    fi
}

# field NAME: a text of the last answer.
field() {
    sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p" "$answer"
}

for file in "$variables"/*.sh; do
    . "$file"
    . "$here/$SCRIPT.sh"
    failed=
    walk
    if [ -z "$failed" ]; then say default pass 'token and API call'; else say default fail "$failed"; fi
    failed=
    wrong
    if [ -z "$failed" ]; then say wrong-secret refused "curl: $want $(field error)"; else say wrong-secret fail "$failed"; fi
done
