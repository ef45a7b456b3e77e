//! The guide to the commands is written from their table: what each takes, where it stands in the API, and lines to paste.

use jeton_core::admin::{AREAS, Answer, Command, Effect, Param, ParamKind, ParamNeed, commands};
use std::fmt::Write;

/// The guide as Markdown.
#[must_use]
pub fn guide() -> String {
    let mut text = String::from(HEAD);
    for (scope, sentence) in AREAS {
        line(&mut text, &format!("| `{scope}` | {sentence} |"));
    }
    let mut noun = "";
    for command in commands() {
        let (of, _) = command.words();
        if of != noun {
            noun = of;
            line(&mut text, &format!("\n## {noun}"));
        }
        section(&mut text, command);
    }
    text
}

const HEAD: &str = "<!-- Generated from the table of commands by crates/wire/src/admin/guide.rs; rewritten by UPDATE=1 cargo test -p jeton-wire. -->

# Commands

Every command is typed on the command line, and called over HTTP at the admin listener; both do the same. On the command line, `--data DIR`
names the installation, or `--database-url URL` its PostgreSQL; with a running server the command goes to its socket. `--json` answers as JSON.
Over HTTP, a token of the realm `admin` with the command's scope is needed; `GET /openapi.json` describes it all to software.

| scope | what it allows |
|---|---|
";

fn section(text: &mut String, command: &Command) {
    line(text, &format!("\n### jeton {}\n", command.name.replace('.', " ")));
    line(text, command.summary);
    line(text, &format!("\n`{} {}` with `{}`\n", command.method, command.path, command.scope));
    if !command.params.is_empty() {
        line(text, "| what it takes | | |\n|---|---|---|");
        command.params.iter().for_each(|param| line(text, &row(param)));
        line(text, "");
    }
    if matches!(command.answer, Answer::Plan) {
        line(text, "It shows the changes first and asks; `--yes` makes them without asking.\n");
    }
    if matches!(command.effect, Effect::Destroys(_)) {
        line(text, "The command line asks first; `--yes` does it without asking.\n");
    }
    line(text, "```sh");
    for (example, about) in command.examples {
        line(text, &format!("# {about}\n{example}"));
    }
    line(text, "```");
}

fn row(param: &Param) -> String {
    let hyphens = param.name.replace('_', "-");
    let typed = match (param.position, param.kind) {
        (Some(_), _) => param.name.to_uppercase(),
        (None, ParamKind::Secret) => format!("--{hyphens}-stdin, --{hyphens}-file"),
        (None, _) => format!("--{hyphens}"),
    };
    let need = if param.need == ParamNeed::Required { "needed" } else { "" };
    format!("| `{typed}` | {need} | {} |", param.sentence)
}

fn line(text: &mut String, line: &str) {
    // Writing to a text cannot fail.
    let _ = writeln!(text, "{line}");
}
