//! A deployment is what the demo makes for one dialect: realms, APIs and applications, as a document beside the dialect says.

use crate::request::{Moment, key_pair};
use jeton_core::admin::document::Document;
use jeton_core::admin::{AdminStop, Args, Powers, command};
use jeton_core::record::{AccessTokenFormat, Actor};
use jeton_core::refusal::Fault;
use jeton_core::run::{Caller, Engine};
use jeton_core::world::{Facts, KeyPair, Need};
use jeton_jose::Algorithm;
use jeton_wire::admin::offers;
use jeton_wire::dialect::Dialects;
use serde_json::{Value, json};
use std::thread;

/// The files of one dialect.
#[derive(Clone, Copy, Debug)]
pub struct Files {
    /// Its name.
    pub name: &'static str,
    /// Its conversation.
    pub transcript: &'static str,
    /// The document with what the conversation needs; `{port}` stands for the port.
    pub deployment: &'static str,
}

/// All dialects that have a conversation.
pub const FILES: &[Files] = include!(concat!(env!("OUT_DIR"), "/demo.rs"));

/// How many pairs may be asked for after the first guess.
const MOST_ROUNDS: usize = 16;

impl Files {
    /// The document for this port.
    pub fn document(&self, port: u16) -> Result<Document, String> {
        toml::from_str(&self.deployment.replace("{port}", &port.to_string()))
            .map_err(|error| format!("the deployment of {}: {error}", self.name))
    }
}

/// Makes the realms of a document, with everything in them.
pub fn apply(engine: &Engine, dialects: &Dialects, document: &Document) -> Result<(), String> {
    let document = serde_json::to_value(document).map_err(|error| error.to_string())?;
    let row = command("apply").ok_or("there is no command apply")?;
    let given = json!({ "document": document });
    let args = Args::parse(row, given.as_object().cloned().unwrap_or_default()).map_err(|stop| stop.to_string())?;
    let offers = offers(dialects);
    let caller = Caller { actor: &Actor::System, powers: Powers::Whole, dialects: &offers };
    let moment = Moment::present();
    let mut facts =
        Facts { key_pairs: make(wanted(dialects, &document)).map_err(|fault| fault.to_string())?, ..Facts::default() };
    for _ in 0..MOST_ROUNDS {
        let world = moment.world(&facts);
        match engine.administer(&world, row, &args, &caller) {
            Ok(_) => return Ok(()),
            Err(AdminStop::Need(Need::KeyPair(algorithm))) => {
                facts.key_pairs.push(key_pair(algorithm).map_err(|fault| fault.to_string())?);
            }
            Err(stop) => return Err(stop.to_string()),
        }
    }
    Err("the deployment needs more and more key pairs".to_owned())
}

/// The key pairs that the realms of a document will need.
fn wanted(dialects: &Dialects, document: &Value) -> Vec<Algorithm> {
    let realms = document["realm"].as_array().map(Vec::as_slice).unwrap_or_default();
    let format = |realm: &Value| {
        let dialect = dialects.iter().find(|dialect| Some(dialect.file.name.as_str()) == realm["dialect"].as_str())?;
        match &dialect.file.realm_defaults.access_token.format {
            AccessTokenFormat::Jwt { algorithm, .. } => Some(*algorithm),
            AccessTokenFormat::Opaque => None,
        }
    };
    realms.iter().filter_map(format).collect()
}

/// Makes key pairs side by side: RSA takes its time.
fn make(algorithms: Vec<Algorithm>) -> Result<Vec<KeyPair>, Fault> {
    thread::scope(|scope| {
        let making: Vec<_> = algorithms.into_iter().map(|algorithm| scope.spawn(move || key_pair(algorithm))).collect();
        making.into_iter().map(|pair| pair.join().unwrap_or(Err(Fault::Broken("a key pair cannot be made")))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_conversation_has_a_dialect_and_a_deployment_that_reads() {
        let dialects = Dialects::built_in().expect("the files are right");
        for files in FILES {
            let document = files.document(8400).unwrap_or_else(|error| panic!("{error}"));
            assert!(document.realm.iter().all(|realm| !realm.client.is_empty()), "{}: an application in each", files.name);
            assert!(dialects.iter().any(|dialect| dialect.file.name.as_str() == files.name), "{}", files.name);
        }
        assert!(FILES.len() >= 5);
    }
}
