//! A dialect says how a provider spells the protocol: data, a closed set of shapes, no rule of its own.
//!
//! It is read once from TOML, unknown keys are refused, and every refusal's outward form is worked out before the first
//! request. The RFCs' own spelling is just another file.

mod file;
mod outward;
mod template;

pub use file::{ApiFile, DialectFile, Endpoints, MetadataField, ReplyField, ReplyShape, ReplySource, RequestBody};
pub use outward::{Challenge, Outward};
pub use template::{Filling, Template};

use crate::route::Endpoint;
use jeton_core::name::Label;
use jeton_core::record::{AccessTokenFormat, Permission, ScopeMeaning};
use jeton_core::refusal::{TABLE, Why};
use std::collections::BTreeMap;
use std::fmt;

/// One dialect, ready for use.
#[derive(Debug)]
pub struct Dialect {
    /// What its file says.
    pub file: DialectFile,
    outward: Vec<Outward>,
    unavailable: Outward,
    broken: Outward,
}

impl Dialect {
    /// Reads a dialect's file.
    pub fn parse(text: &str) -> Result<Self, DialectError> {
        let file: DialectFile = toml::from_str(text).map_err(|error| DialectError(error.to_string()))?;
        if let Some(permission) = needed(&file).into_iter().find(|permission| !file.needs.contains(permission)) {
            let name = serde_json::to_string(&permission).unwrap_or_default();
            return Err(DialectError(format!(
                "the dialect {} does what needs the permission {name}, but does not list it",
                file.name
            )));
        }
        let outward = TABLE.iter().map(|row| Outward::new(&file, row)).collect::<Result<_, _>>()?;
        let (unavailable, broken) = (Outward::unavailable(&file)?, Outward::broken(&file)?);
        Ok(Self { file, outward, unavailable, broken })
    }

    /// Every path below a mount at which an endpoint answers.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let of = |endpoint: &Endpoint| endpoint.paths(&self.file.endpoints).to_vec();
        Endpoint::ALL.iter().flat_map(of).collect()
    }

    /// How a refusal looks from outside.
    #[must_use]
    pub fn refusal(&self, why: Why) -> &Outward {
        &self.outward[why as usize]
    }

    /// How a failure of ours looks from outside.
    #[must_use]
    pub fn fault(&self, trying_later_may_help: Later) -> &Outward {
        match trying_later_may_help {
            Later::MayHelp => &self.unavailable,
            Later::WillNotHelp => &self.broken,
        }
    }
}

/// The permissions without which a dialect's shapes would loosen a rule behind somebody's back.
fn needed(file: &DialectFile) -> Vec<Permission> {
    let mut needed = Vec::new();
    if file.token_reply.iter().any(|field| field.shape == ReplyShape::Text) {
        needed.push(Permission::TextNumbers);
    }
    if file.token_request.body == RequestBody::Json {
        needed.push(Permission::JsonTokenRequest);
    }
    let client = |row: &file::RefusalRow| row.when.iter().any(|when| when == "invalid_client" || when.starts_with("client."));
    if file.refusals.rows.iter().any(|row| client(row) && row.status.is_some_and(|status| status != 401)) {
        needed.push(Permission::Status400ForClient);
    }
    if let AccessTokenFormat::Jwt { typ, .. } = &file.realm_defaults.access_token.format
        && typ != "at+jwt"
    {
        needed.push(Permission::GenericTokenType);
    }
    if matches!(file.realm_defaults.scope.meaning, ScopeMeaning::Tenant(_)) {
        needed.push(Permission::ClientIsPerson);
    }
    needed
}

/// Whether the same request may succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Later {
    /// 503.
    MayHelp,
    /// 500.
    WillNotHelp,
}

/// Why a dialect's file cannot be used, with its line where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialectError(pub String);

impl fmt::Display for DialectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DialectError {}

/// The dialects that are compiled in: name of the file, text of the file.
const FILES: &[&str] = include!(concat!(env!("OUT_DIR"), "/dialects.rs"));

/// All dialects by name.
#[derive(Debug)]
pub struct Dialects(BTreeMap<String, Dialect>);

impl Dialects {
    /// The dialects that come with this version.
    pub fn built_in() -> Result<Self, DialectError> {
        let mut dialects = BTreeMap::new();
        for text in FILES {
            let dialect = Dialect::parse(text)?;
            dialects.insert(dialect.file.name.as_str().to_owned(), dialect);
        }
        Ok(Self(dialects))
    }

    /// The dialect of this name.
    #[must_use]
    pub fn by_name(&self, name: &Label) -> Option<&Dialect> {
        self.0.get(name.as_str())
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Dialect> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_dialect_is_whole() {
        let dialects = Dialects::built_in().expect("the files are right");
        assert!(dialects.iter().count() >= 5);
    }

    #[test]
    fn a_file_that_is_not_right_is_refused() {
        let good = FILES.iter().find(|text| text.contains("name = \"rfc\"")).expect("the RFCs' own file");
        for (from, to, says) in [
            ("body = \"form\"", "body = \"form\"\nloosen = true", "unknown field"),
            ("body = \"form\"", "body = \"json\"", "json-token-request"),
            ("\"{code}\"", "\"{secret}\"", "no slot"),
            ("typ = \"at+jwt\"", "typ = \"JWT\"", "generic-token-type"),
            ("from = \"expires-in\"", "from = \"expires-in\"\nshape = \"text\"", "text-numbers"),
        ] {
            let error = Dialect::parse(&good.replacen(from, to, 1)).expect_err(to);
            assert!(error.to_string().contains(says), "{to}: {error}");
        }
    }
}
