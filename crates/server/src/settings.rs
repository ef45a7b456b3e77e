//! The settings of the process: each is a flag, an environment variable and a key of one TOML file, in this order of weight.
//!
//! What concerns a realm is a record, not a setting. There are at most fifteen, and each has one reader.

use crate::peer::TrustedProxies;
use crate::tls::TlsFiles;
use clap::{Arg, ArgMatches};
use jeton_core::name::Issuer;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// One line of the table of settings.
pub struct Setting {
    /// Its key in the file; flag and environment variable follow from it.
    pub key: &'static str,
    /// What stands for its value in help texts; `None` for a value that must not stand on a command line.
    pub value: Option<&'static str>,
    /// What holds if nobody says anything; empty if nothing does.
    pub default: &'static str,
    /// What it is for.
    pub meaning: &'static str,
    /// The one place that reads it.
    #[cfg_attr(not(test), expect(dead_code, reason = "the test that writes docs/generated/settings.md reads it"))]
    pub reader: &'static str,
}

impl Setting {
    /// Whether it may stand in the file.
    pub fn is_in_file(&self) -> bool {
        self.key != "config" && self.value.is_some()
    }
}

/// Every setting.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "config",
        value: Some("FILE"),
        default: "",
        meaning: "TOML file with any of the settings below",
        reader: "settings.rs",
    },
    Setting {
        key: "data",
        value: Some("DIR"),
        default: "./jeton-data",
        meaning: "directory of the embedded store, the seal key and the admin socket",
        reader: "serve.rs",
    },
    Setting {
        key: "listen",
        value: Some("ADDR"),
        default: "127.0.0.1:8400",
        meaning: "where clients ask for tokens; port 0 takes a free one",
        reader: "serve.rs",
    },
    Setting {
        key: "admin_listen",
        value: Some("ADDR"),
        default: "127.0.0.1:8401",
        meaning: "where the admin API answers",
        reader: "serve.rs",
    },
    Setting {
        key: "admin_url",
        value: Some("URL"),
        default: "",
        meaning: "address of the admin API as its clients know it, the issuer of the admin realm; without it http:// (https:// with tls) and the listener",
        reader: "serve.rs",
    },
    Setting {
        key: "ops_listen",
        value: Some("ADDR"),
        default: "127.0.0.1:8402",
        meaning: "where /livez, /readyz and /metrics answer",
        reader: "serve.rs",
    },
    Setting {
        key: "database_url",
        value: Some("URL"),
        default: "",
        meaning: "PostgreSQL to use instead of the embedded store: postgres://user@host/database",
        reader: "serve.rs",
    },
    Setting {
        key: "seal_key_file",
        value: Some("FILE"),
        default: "",
        meaning: "file with the seal key, 64 hex digits; without it seal.key in the data directory",
        reader: "seal.rs",
    },
    Setting {
        key: "seal_key",
        value: None,
        default: "",
        meaning: "the seal key itself, 64 hex digits or base64; only as an environment variable",
        reader: "seal.rs",
    },
    Setting {
        key: "tls",
        value: Some("FILES"),
        default: "",
        meaning: "PEM file with certificate chain and private key, or two files with a comma between them; without it clients speak plain HTTP",
        reader: "serve.rs",
    },
    Setting {
        key: "trusted_proxies",
        value: Some("NETWORKS"),
        default: "",
        meaning: "networks whose X-Forwarded-For is believed, with commas between them; proxy:10.0.0.0/8 names peers that must begin with a PROXY header",
        reader: "serve.rs",
    },
    Setting {
        key: "log",
        value: Some("FORM,LEVEL"),
        default: "auto,info",
        meaning: "form (auto, text or json) and level (error, warn, info, debug or trace), or one of them; auto is text on a terminal and JSON otherwise; issued and refused tokens are logged at info",
        reader: "log.rs",
    },
    Setting {
        key: "max_connections",
        value: Some("NUMBER"),
        default: "10000",
        meaning: "most connections of the public listener at the same time; more are answered with 503",
        reader: "serve.rs",
    },
    Setting {
        key: "drain_seconds",
        value: Some("NUMBER"),
        default: "10",
        meaning: "how long requests may go on after SIGTERM",
        reader: "serve.rs",
    },
    Setting {
        key: "sample_api",
        value: Some("BOOL"),
        default: "false",
        meaning: "whether the built-in sample API answers at the resource servers' operations",
        reader: "serve.rs",
    },
];

/// The settings as they hold for this process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The data directory.
    pub data: PathBuf,
    /// The public listener.
    pub listen: SocketAddr,
    /// The listener of the admin API.
    pub admin_listen: SocketAddr,
    /// The admin API's address for its clients, if it was named.
    pub admin_url: Option<Issuer>,
    /// The listener for operators.
    pub ops_listen: SocketAddr,
    /// PostgreSQL, if it is used.
    pub database_url: Option<Hidden>,
    /// The file with the seal key, if it was named.
    pub seal_key_file: Option<PathBuf>,
    /// The seal key, if it was given.
    pub seal_key: Option<Hidden>,
    /// Certificate and key, if the listeners speak TLS.
    pub tls: Option<TlsFiles>,
    /// Who may say where a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// Form of the log, and what is logged.
    pub log: LogSetting,
    /// Bound of the public listener.
    pub max_connections: usize,
    /// Patience after SIGTERM.
    pub drain: Duration,
    /// Whether the sample API answers.
    pub sample_api: bool,
}

/// A value that prints as `…`.
#[derive(Clone)]
pub struct Hidden(String);

impl Hidden {
    /// The value itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Form and level of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSetting {
    /// Its form.
    pub form: LogFormat,
    /// What is logged.
    pub level: tracing::Level,
}

/// Why the settings cannot hold: one sentence that names the place.
#[derive(Debug, PartialEq, Eq)]
pub struct SettingsError(String);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The flags of these settings, or of all if none is named.
pub fn flags(keys: &[&str]) -> Vec<Arg> {
    let wanted = |setting: &&Setting| keys.is_empty() || keys.contains(&setting.key);
    let flag = |setting: &Setting| {
        let default = if setting.default.is_empty() { String::new() } else { format!(" [default: {}]", setting.default) };
        let help = format!("{}{default} [env: {}]", setting.meaning, variable(setting.key));
        setting.value.map(|value| Arg::new(setting.key).long(setting.key.replace('_', "-")).value_name(value).help(help))
    };
    SETTINGS.iter().filter(wanted).filter_map(flag).collect()
}

impl Settings {
    /// Reads flags, this process's environment, and the file that one of them names.
    pub fn load(given: &ArgMatches) -> Result<Self, SettingsError> {
        let flags = SETTINGS.iter().filter_map(|setting| {
            let value = given.try_get_one::<String>(setting.key).ok().flatten()?;
            Some((setting.key, value.clone()))
        });
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            name.starts_with(PREFIX).then(|| (name, value.to_string_lossy().into_owned()))
        });
        Self::weigh(flags.collect(), environment.collect(), |path| {
            std::fs::read_to_string(path).map_err(|error| SettingsError(format!("{}: {error}", path.display())))
        })
    }

    /// Settings for a test, in its own directory.
    #[cfg(test)]
    pub fn in_directory(path: &Path) -> Self {
        let flags = [("data", path.display().to_string()), ("log", "json".to_owned())];
        Self::weigh(flags.into(), Vec::new(), |_| Ok(String::new())).expect("they hold")
    }

    /// Settings for a test, from the text of a file.
    #[cfg(test)]
    pub fn from_text(file: &str) -> Result<Self, SettingsError> {
        Self::weigh([("config", "jeton.toml".to_owned())].into(), Vec::new(), |_| Ok(file.to_owned()))
    }

    fn weigh(
        flags: BTreeMap<&'static str, String>,
        environment: Vec<(String, String)>,
        read: impl Fn(&Path) -> Result<String, SettingsError>,
    ) -> Result<Self, SettingsError> {
        let mut given = Given::default();
        for (name, value) in environment {
            if let Some(key) = known_variable(&name)? {
                given.0.insert(key, (value, name));
            }
        }
        for (key, value) in flags {
            given.0.insert(key, (value, format!("--{}", key.replace('_', "-"))));
        }
        if let Some((path, _)) = given.0.remove("config") {
            for (key, found) in from_file(&path, &read(Path::new(&path))?)? {
                given.0.entry(key).or_insert(found);
            }
        }
        given.settings()
    }
}

/// What was said about each setting, and where.
#[derive(Default)]
struct Given(BTreeMap<&'static str, (String, String)>);

impl Given {
    fn settings(&self) -> Result<Settings, SettingsError> {
        let whole = "must be a whole number from 1 to 1000000";
        Ok(Settings {
            data: self.read("data", "must name a directory", |text| (!text.is_empty()).then(|| text.into()))?,
            listen: self.address("listen")?,
            admin_listen: self.address("admin_listen")?,
            admin_url: self.optional("admin_url", "must be an http or https URL", |text| Issuer::parse(text).ok())?,
            ops_listen: self.address("ops_listen")?,
            database_url: self.optional("database_url", "must start with postgres:// or postgresql://", |text| {
                (text.starts_with("postgres://") || text.starts_with("postgresql://")).then(|| Hidden(text.to_owned()))
            })?,
            seal_key_file: self.optional("seal_key_file", "must name a file", |text| Some(text.into()))?,
            seal_key: self.optional("seal_key", "must be text", |text| Some(Hidden(text.to_owned())))?,
            tls: self.optional("tls", "must name a PEM file, or two with a comma between them", TlsFiles::parse)?,
            trusted_proxies: self.read("trusted_proxies", NETWORKS, TrustedProxies::parse)?,
            log: self.read("log", LOG, log)?,
            max_connections: self.read("max_connections", whole, |text| whole_number(text, 1))?,
            drain: self.read("drain_seconds", "must be a whole number from 0 to 1000000", |text| {
                whole_number(text, 0).map(|seconds| Duration::from_secs(seconds as u64))
            })?,
            sample_api: self.read("sample_api", "must be true or false", |text| text.parse().ok())?,
        })
    }

    fn read<T>(&self, key: &str, rule: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, SettingsError> {
        let default = SETTINGS.iter().find(|setting| setting.key == key).map_or("", |setting| setting.default);
        let (text, place) = self.0.get(key).map_or((default, key), |(text, place)| (text.as_str(), place.as_str()));
        parse(text).ok_or_else(|| SettingsError(format!("{place} {rule}")))
    }

    fn optional<T>(&self, key: &str, rule: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, SettingsError> {
        if self.0.get(key).is_none_or(|(text, _)| text.is_empty()) {
            return Ok(None);
        }
        self.read(key, rule, parse).map(Some)
    }

    fn address(&self, key: &str) -> Result<SocketAddr, SettingsError> {
        self.read(key, "must be an address and a port, for example 127.0.0.1:8400 or [::]:8400", |text| text.parse().ok())
    }
}

const NETWORKS: &str = "must be networks with commas between them, for example 10.0.0.0/8,proxy:192.0.2.7";
const LOG: &str = "must be auto, text or json, and error, warn, info, debug or trace, for example json,debug";

/// A form, a level, or both with a comma between them, in either order.
fn log(text: &str) -> Option<LogSetting> {
    let (mut form, mut level) = (None, None);
    for word in text.split(',').map(str::trim) {
        let taken = match log_form(word) {
            Some(found) => form.replace(found).is_some(),
            None => level.replace(LEVELS.iter().find(|(name, _)| *name == word)?.1).is_some(),
        };
        if taken {
            return None;
        }
    }
    Some(LogSetting { form: form.or_else(|| log_form("auto"))?, level: level.unwrap_or(tracing::Level::INFO) })
}

const LEVELS: [(&str, tracing::Level); 5] = [
    ("error", tracing::Level::ERROR),
    ("warn", tracing::Level::WARN),
    ("info", tracing::Level::INFO),
    ("debug", tracing::Level::DEBUG),
    ("trace", tracing::Level::TRACE),
];

fn log_form(text: &str) -> Option<LogFormat> {
    use std::io::IsTerminal;
    match text {
        "auto" if std::io::stderr().is_terminal() => Some(LogFormat::Text),
        "auto" | "json" => Some(LogFormat::Json),
        "text" => Some(LogFormat::Text),
        _ => None,
    }
}

fn whole_number(text: &str, least: usize) -> Option<usize> {
    text.parse().ok().filter(|number| (least..=1_000_000).contains(number))
}

/// How the environment variables of settings begin.
const PREFIX: &str = "JETON_";

/// The environment variable of a setting.
pub fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase())
}

/// The setting of a variable; `None` if the variable is not meant for us.
fn known_variable(name: &str) -> Result<Option<&'static str>, SettingsError> {
    if let Some(setting) = SETTINGS.iter().find(|setting| variable(setting.key) == name) {
        return Ok(Some(setting.key));
    }
    // The project's own tests set these.
    if matches!(name, "JETON_REQUIRE" | "JETON_PRIVILEGES" | "JETON_FAULT_ROUNDS") {
        return Ok(None);
    }
    // Kubernetes adds these by itself to every pod beside a service that is called jeton.
    if name == "JETON_PORT" || name.starts_with("JETON_PORT_") || name.starts_with("JETON_SERVICE_") {
        return Ok(None);
    }
    let names: Vec<String> = SETTINGS.iter().map(|setting| variable(setting.key)).collect();
    let nearest = nearest(name, names.iter().map(String::as_str));
    Err(SettingsError(format!("the environment variable {} is not a setting; the nearest is {nearest}", name.escape_debug())))
}

/// What a file says about each setting, and where.
pub fn from_file(path: &str, text: &str) -> Result<BTreeMap<&'static str, (String, String)>, SettingsError> {
    let line_of = |at: usize| text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(span.start));
        SettingsError(format!("{path}:{line}: {}", error.message().trim()))
    })?;
    let mut found = BTreeMap::new();
    for (key, value) in table.get_ref() {
        let place = format!("{path}:{}", line_of(key.span().start));
        let name: &str = key.get_ref();
        let in_file = |setting: &&Setting| setting.is_in_file();
        let Some(setting) = SETTINGS.iter().filter(in_file).find(|setting| setting.key == name) else {
            let nearest = nearest(name, SETTINGS.iter().filter(in_file).map(|setting| setting.key));
            let name = name.escape_debug();
            return Err(SettingsError(format!("{place}: {name} is not a setting of this file; the nearest is {nearest}")));
        };
        let value = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.as_str().to_owned(),
            DeValue::Boolean(flag) => flag.to_string(),
            _ => return Err(SettingsError(format!("{place}: {name} must be a text, a number, true or false"))),
        };
        found.insert(setting.key, (value, format!("{place}: {name}")));
    }
    Ok(found)
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> &'a str {
    let likeness = |other: &str| strsim::jaro_winkler(&name.to_lowercase(), &other.to_lowercase());
    known.max_by(|one, other| likeness(one).total_cmp(&likeness(other))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weigh(flags: &[(&'static str, &str)], environment: &[(&str, &str)], file: &str) -> Result<Settings, String> {
        let flags = flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::weigh(flags, environment, |_| Ok(file.to_owned())).map_err(|error| error.0)
    }

    #[test]
    fn a_flag_outweighs_the_environment_and_the_environment_the_file() {
        let file = "listen = '127.0.0.1:1'\nadmin_listen = '127.0.0.1:1'\nops_listen = '127.0.0.1:1'\ndrain_seconds = 3\n";
        let flags = [("config", "jeton.toml"), ("listen", "127.0.0.1:3")];
        let environment =
            [("JETON_LISTEN", "127.0.0.1:2"), ("JETON_ADMIN_LISTEN", "127.0.0.1:2"), ("JETON_PORT", "tcp://10.0.0.1")];
        let settings = weigh(&flags, &environment, file).expect("they hold");
        assert_eq!(
            (settings.listen.port(), settings.admin_listen.port(), settings.ops_listen.port(), settings.drain.as_secs()),
            (3, 2, 1, 3)
        );
        assert_eq!(settings.data, PathBuf::from("./jeton-data"));
    }

    #[test]
    fn what_cannot_hold_is_named_with_its_place() {
        let file = [("config", "jeton.toml")];
        for (flags, environment, text, sentence) in [
            (
                &file[..],
                &[][..],
                "\nlisten_adress = 'x'",
                "jeton.toml:2: listen_adress is not a setting of this file; the nearest is listen",
            ),
            (
                &file,
                &[],
                "data = 'x'\n\nmax_conections = 1",
                "jeton.toml:3: max_conections is not a setting of this file; the nearest is max_connections",
            ),
            (&file, &[], "seal_key = 'x'", "jeton.toml:1: seal_key is not a setting of this file; the nearest is seal_key_file"),
            (&file, &[], "listen = []", "jeton.toml:1: listen must be a text, a number, true or false"),
            (&file, &[], "drain_seconds = -1", "jeton.toml:1: drain_seconds must be a whole number from 0 to 1000000"),
            (
                &[],
                &[("JETON_LISTNE", "x")],
                "",
                "the environment variable JETON_LISTNE is not a setting; the nearest is JETON_LISTEN",
            ),
            (&[], &[("JETON_LOG", "loud")], "", &format!("JETON_LOG {LOG}")),
            (&[("log", "json,text")], &[], "", &format!("--log {LOG}")),
            (&[("tls", "a,b,c")], &[], "", "--tls must name a PEM file, or two with a comma between them"),
            (&[("trusted_proxies", "10.0.0.0/33")], &[], "", &format!("--trusted-proxies {NETWORKS}")),
        ] {
            assert_eq!(weigh(flags, environment, text).expect_err("it cannot hold"), sentence);
        }
    }

    #[test]
    fn form_and_level_of_the_log_are_one_setting() {
        for (text, form, level) in [
            ("json", LogFormat::Json, tracing::Level::INFO),
            ("text,debug", LogFormat::Text, tracing::Level::DEBUG),
            ("warn, json", LogFormat::Json, tracing::Level::WARN),
        ] {
            let settings = weigh(&[("log", text)], &[], "").expect("it holds");
            assert_eq!(settings.log, LogSetting { form, level }, "{text}");
        }
    }

    #[test]
    fn the_table_is_documented_and_does_not_grow_unseen() {
        assert!(SETTINGS.len() <= 15);
        let mut page = String::from(
            "# Settings of the process\n\nGenerated from `crates/server/src/settings.rs`; `UPDATE=1 cargo test -p jeton` rewrites it. \
             A flag outweighs the environment, the environment outweighs the file.\n\n\
             | flag | environment | key in the file | default | meaning | read by |\n|---|---|---|---|---|---|\n",
        );
        for setting in SETTINGS {
            let flag = setting.value.map_or("–".to_owned(), |value| format!("`--{} {value}`", setting.key.replace('_', "-")));
            let key =
                if setting.value.is_some() && setting.key != "config" { format!("`{}`", setting.key) } else { "–".into() };
            let default = if setting.default.is_empty() { "–".to_owned() } else { format!("`{}`", setting.default) };
            let (name, meaning, reader) = (variable(setting.key), setting.meaning, setting.reader);
            page.push_str(&format!("| {flag} | `{name}` | {key} | {default} | {meaning} | `{reader}` |\n"));
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/generated/settings.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/generated")).expect("a directory");
            std::fs::write(path, &page).expect("written");
        }
        assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), page, "run UPDATE=1 cargo test -p jeton");
    }
}
