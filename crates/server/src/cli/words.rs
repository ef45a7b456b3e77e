//! Words are how a command is typed: its noun, its verb, its positions and its options, all from its row in the table.

use super::CliError;
use clap::{Arg, ArgAction, ArgMatches};
use jeton_core::admin::{Answer, Command, Effect, Param, ParamKind, ParamNeed, commands};

/// The nouns, each with its verbs. `common` adds what every command takes.
pub fn nouns(common: &impl Fn(clap::Command) -> clap::Command) -> Vec<clap::Command> {
    let mut nouns: Vec<clap::Command> = Vec::new();
    for command in commands() {
        match command.words() {
            (noun, None) => nouns.push(common(clap_command(noun, command))),
            (noun, Some(verb)) => {
                let verb = common(clap_command(verb, command));
                match nouns.iter().position(|known| known.get_name() == noun) {
                    Some(at) => nouns[at] = nouns[at].clone().subcommand(verb),
                    None => nouns.push(
                        clap::Command::new(noun)
                            .about(about(noun))
                            .subcommand_required(true)
                            .arg_required_else_help(true)
                            .subcommand(verb),
                    ),
                }
            }
        }
    }
    nouns
}

/// The command that was typed, and what was typed behind it.
pub fn find<'m>(name: &str, matches: &'m ArgMatches) -> Result<(&'static Command, &'m ArgMatches), CliError> {
    let (name, matches) = match matches.subcommand() {
        Some((verb, inner)) => (format!("{name}.{verb}"), inner),
        None => (name.to_owned(), matches),
    };
    let command = jeton_core::admin::command(&name).ok_or_else(|| CliError(format!("there is no command {name}")))?;
    Ok((command, matches))
}

fn about(noun: &str) -> String {
    let verbs: Vec<&str> = commands().map(Command::words).filter(|(of, _)| *of == noun).filter_map(|(_, verb)| verb).collect();
    let what = match noun {
        "api-key" => "API keys".to_owned(),
        "key" => "signing keys".to_owned(),
        "audit" => "what was changed, and why requests were refused".to_owned(),
        "usage" => "how many tokens clients got".to_owned(),
        "thrift" => "how well clients keep their tokens".to_owned(),
        "family" => "families of refresh tokens".to_owned(),
        noun => format!("{}s", noun.replace('-', " ")),
    };
    let first = verbs.first().map(|verb| verb[..1].to_uppercase() + &verb[1..]).unwrap_or_default();
    let rest: Vec<&str> = verbs.iter().skip(1).copied().collect();
    if rest.is_empty() { format!("{first} {what}") } else { format!("{first}, {}: {what}", rest.join(", ")) }
}

fn clap_command(word: &'static str, command: &'static Command) -> clap::Command {
    let mut built = clap::Command::new(word).about(command.summary).after_help(examples(command));
    for param in command.params {
        built = built.args(args(param));
    }
    if matches!(command.answer, Answer::Plan) {
        let yes = Arg::new("yes").long("yes").short('y').action(ArgAction::SetTrue);
        built = built.arg(yes.help("Make the changes without asking"));
    }
    if matches!(command.effect, Effect::Destroys(_)) {
        let yes = Arg::new("yes").long("yes").short('y').action(ArgAction::SetTrue);
        built = built.arg(yes.help("Do it without asking"));
    }
    built
}

fn examples(command: &Command) -> String {
    let lines: Vec<String> = command.examples.iter().map(|(line, about)| format!("  # {about}\n  {line}")).collect();
    format!("Examples:\n{}", lines.join("\n"))
}

/// The name of an option: hyphens for underscores.
fn long(param: &Param) -> String {
    param.name.replace('_', "-")
}

/// The flags that stand for a secret, which never stands in an argument.
pub fn stdin_flag(param: &Param) -> String {
    format!("{}_stdin", param.name)
}

/// The option that names a file with a secret.
pub fn file_flag(param: &Param) -> String {
    format!("{}_file", param.name)
}

fn args(param: &'static Param) -> Vec<Arg> {
    if param.kind == ParamKind::Secret {
        let stdin = Arg::new(stdin_flag(param)).long(format!("{}-stdin", long(param))).action(ArgAction::SetTrue);
        let file = Arg::new(file_flag(param)).long(format!("{}-file", long(param))).value_name("FILE");
        return vec![
            stdin.help(format!("{} It is read from standard input", param.sentence)),
            file.help(format!("{} It is read from a file", param.sentence)).conflicts_with(stdin_flag(param)),
        ];
    }
    let is_file = matches!(param.kind, ParamKind::Document | ParamKind::Realms | ParamKind::Clients);
    let value = if is_file { "FILE".to_owned() } else { param.name.to_uppercase() };
    let arg = Arg::new(param.name).help(help(param)).value_name(value).required(param.need == ParamNeed::Required);
    let arg = match param.position {
        Some(position) => arg.index(position + 1),
        None => arg.long(long(param)),
    };
    vec![match param.kind {
        ParamKind::Boolean => arg.action(ArgAction::SetTrue),
        ParamKind::List => arg.action(ArgAction::Append),
        ParamKind::Choice(words) => arg.value_parser(clap::builder::PossibleValuesParser::new(words)),
        _ => arg,
    }]
}

fn help(param: &Param) -> String {
    match param.kind {
        ParamKind::Document | ParamKind::Realms => format!("{} A TOML or JSON file, - for standard input", param.sentence),
        ParamKind::Clients => format!("{} A TOML, JSON or CSV file, - for standard input", param.sentence),
        ParamKind::List => format!("{} May be given several times", param.sentence),
        _ => param.sentence.to_owned(),
    }
}
