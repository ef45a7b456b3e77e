"""What every Python driver does alike: read the targets, try each way, print one JSON line per outcome."""

import json
import sys
import traceback

TIMEOUT = 10
WAYS = ("default", "header", "form", "both")


def targets():
    """The targets that the test wrote down, from the file named on the command line."""
    with open(sys.argv[1], encoding="utf-8") as file:
        return json.load(file)["targets"]


def line(client, version, target, way, outcome, detail):
    """Prints one outcome."""
    record = {
        "client": client,
        "version": version,
        "target": target["name"],
        "way": way,
        "outcome": outcome,
        "detail": " ".join(str(detail).split())[:400],
    }
    print(json.dumps(record), flush=True)


def attempt(client, version, target, way, errors, run):
    """Runs one way: `pass`, `refused` by an error type of the client's own, or `fail` with what happened."""
    try:
        outcome, detail = run()
    except errors as error:
        code = getattr(error, "error", None) or getattr(error, "code", None) or error
        outcome, detail = "refused", f"{type(error).__name__}: {code}"
    except Exception as error:  # a crash is a result too
        where = traceback.extract_tb(error.__traceback__)[-1]
        outcome, detail = "fail", f"{type(error).__name__}: {error} ({where.name})"
    line(client, version, target, way, outcome, detail)


def expect_answer(target, response):
    """Checks the API's answer."""
    if response.status_code != 200:
        return "fail", f"the API answered {response.status_code}: {response.text[:200]}"
    if response.json() != target["api_answer"]:
        return "fail", f"the API answered {response.text[:200]}"
    return "pass", "token and API call"


def api_headers(target):
    """The headers that an API call needs beside the token."""
    return {target["api_key_header"]: target["api_key"]} if target.get("api_key") else {}
