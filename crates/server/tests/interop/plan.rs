//! The plan is `interop/targets.toml`: the dialects to meet, the clients that meet them, and the cells that differ.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// What the table expects.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The columns.
    #[serde(rename = "target")]
    pub targets: Vec<Target>,
    /// Columns without results.
    #[serde(rename = "empty")]
    pub empty: Vec<Empty>,
    /// The rows.
    #[serde(rename = "client")]
    pub clients: Vec<Client>,
    /// Libraries that verify tokens.
    #[serde(rename = "verifier")]
    pub verifiers: Vec<Client>,
    /// Cells that are not what their dialect promises.
    pub differs: Vec<Differs>,
}

/// One column: a realm in some dialect, and what a client must know to use it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Name of the column.
    pub name: String,
    /// The provider's document.
    pub document: String,
    /// Where that document puts the credentials.
    pub document_way: String,
    /// What the dialect promises for the header, the form, and both at once.
    pub ways: BTreeMap<String, String>,
    /// Why it refuses the header.
    pub why_header: Option<String>,
    /// Why it refuses both at once.
    pub why_both: Option<String>,
    /// The issuer.
    pub issuer: String,
    /// What all addresses begin with.
    pub base: String,
    /// The host that the document names.
    pub host: Option<String>,
    /// Path of the token endpoint.
    pub token_path: String,
    /// Address of the metadata document, where there is one.
    pub metadata_url: Option<String>,
    /// Which metadata a client may discover.
    pub discovery: Option<String>,
    /// Path of the keys.
    pub jwks_path: Option<String>,
    /// Credentials.
    pub client_id: String,
    /// Credentials.
    pub client_secret: String,
    /// What is asked for.
    pub scope: String,
    /// Path of an operation of the sample API.
    pub api_path: String,
    /// What it answers.
    pub api_answer: Value,
    /// The header of the API key.
    pub api_key_header: Option<String>,
    /// The API key.
    pub api_key: Option<String>,
    /// Name of the Postman collection and of the shell lines.
    pub collection: String,
    /// What a verifier must find.
    pub jwt: Option<Value>,
    /// Why there is nothing to verify.
    pub no_jwt: Option<String>,
}

/// A column without results.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {
    /// Name of the column.
    pub name: String,
    /// Why.
    pub why: String,
}

/// One row: a client, and how it is run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Name of the row.
    pub name: String,
    /// What it is.
    pub what: String,
    /// The command, run at the top of the repository with the targets file as last argument.
    pub run: Vec<String>,
    /// A file that is there when its tools are installed.
    pub needs: Option<String>,
    /// How its refusals begin: its own error types.
    pub errors: Vec<String>,
    /// Why it has no ways but the document's own.
    pub walk_only: Option<String>,
}

/// Cells that are not what their dialect promises.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Differs {
    /// The rows.
    pub clients: Vec<String>,
    /// The column.
    pub target: String,
    /// The ways.
    pub ways: Vec<String>,
    /// What happens instead.
    pub outcome: String,
    /// What the client must say then.
    pub says: Option<String>,
    /// Why that is right.
    pub why: String,
}

impl Plan {
    /// Reads the plan and writes the server's port over the one that stands there.
    pub fn read(path: &Path, port: u16) -> Self {
        let text = std::fs::read_to_string(path).expect("the plan can be read");
        toml::from_str(&with_port(&text, port)).expect("the plan is well-formed")
    }

    /// Writes what the drivers read: one JSON file, and a file of shell variables per target beside it.
    pub fn write_targets(&self, path: &Path) {
        let targets: Vec<Value> = self.targets.iter().map(Target::json).collect();
        let text = serde_json::to_string_pretty(&serde_json::json!({ "targets": targets })).expect("values print");
        std::fs::write(path, text).expect("the targets can be written");
        let variables = path.with_file_name("variables");
        std::fs::create_dir(&variables).expect("a fresh directory can be made");
        for (number, target) in self.targets.iter().enumerate() {
            std::fs::write(variables.join(format!("{number}.sh")), target.shell()).expect("variables can be written");
        }
    }

    /// The row that says how a cell differs.
    pub fn differs(&self, client: &str, target: &str, way: &str) -> Option<&Differs> {
        self.differs.iter().find(|row| {
            row.target == target && row.clients.iter().any(|name| name == client) && row.ways.iter().any(|name| name == way)
        })
    }
}

/// The text with the server's own port.
pub fn with_port(text: &str, port: u16) -> String {
    text.replace(":8400", &format!(":{port}"))
}

impl Target {
    /// Address of the token endpoint.
    pub fn token_url(&self) -> String {
        format!("{}{}", self.base, self.token_path)
    }

    /// Address of an operation of the sample API.
    pub fn api_url(&self) -> String {
        format!("{}{}", self.base, self.api_path)
    }

    /// Why the dialect refuses a way.
    pub fn why(&self, way: &str) -> Option<&str> {
        if way == "header" { self.why_header.as_deref() } else { self.why_both.as_deref() }
    }

    fn json(&self) -> Value {
        let mut value = serde_json::json!({
            "name": self.name,
            "document_way": self.document_way,
            "issuer": self.issuer,
            "token_url": self.token_url(),
            "api_url": self.api_url(),
            "api_answer": self.api_answer,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "scope": self.scope,
            "collection": self.collection,
        });
        let jwks = self.jwks_path.as_ref().map(|path| format!("{}{path}", self.base));
        let more = [
            ("metadata_url", self.metadata_url.clone()),
            ("discovery", self.discovery.clone()),
            ("jwks_url", jwks),
            ("api_key_header", self.api_key_header.clone()),
            ("api_key", self.api_key.clone()),
        ];
        for (name, text) in more {
            if let Some(text) = text {
                value[name] = Value::String(text);
            }
        }
        if let Some(jwt) = &self.jwt {
            value["jwt"] = jwt.clone();
        }
        value
    }

    fn shell(&self) -> String {
        let base = url_origin(&self.base);
        let texts = [
            ("NAME", self.name.as_str()),
            ("SCRIPT", &self.collection),
            ("ORIGIN", base),
            ("TOKEN_URL", &self.token_url()),
            ("METADATA_URL", self.metadata_url.as_deref().unwrap_or_default()),
            ("API_URL", &self.api_url()),
            ("API_KEY", self.api_key.as_deref().unwrap_or_default()),
            ("CLIENT_ID", &self.client_id),
            ("CLIENT_SECRET", &self.client_secret),
            ("SCOPE", &self.scope),
            ("TENANT_HOST", self.host.as_deref().unwrap_or_default()),
        ];
        let mut text = String::new();
        for (name, value) in texts {
            writeln!(text, "{name}='{}'", value.replace('\'', "'\\''")).expect("a text can be written to");
        }
        text
    }
}

/// Scheme, host and port of an address.
fn url_origin(address: &str) -> &str {
    let host = address.find("://").map_or(0, |at| at + 3);
    address[host..].find('/').map_or(address, |path| &address[..host + path])
}
