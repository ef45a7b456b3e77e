//! The canonical form of records and blocks: every part is led by its length, so that no two lists give the same bytes to hash.

use crate::name::{Key, Time};
use crate::record::{Actor, Audit, AuditSeal, SealedEntry};
use crate::refusal::Fault;
use crate::snapshot::DataKeys;
use jeton_jose::{PublicKey, SigningKey, b64, sha256};
use serde_json::{Value, json};

/// Bytes to be hashed, for one purpose.
struct Parts(Vec<u8>);

impl Parts {
    fn of(purpose: &str) -> Self {
        Self(Vec::new()).part(purpose.as_bytes())
    }

    fn part(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    fn number(self, number: u64) -> Self {
        self.part(&number.to_be_bytes())
    }

    fn key(self, key: Option<Key>) -> Self {
        self.part(key.as_ref().map_or(&[], |key| &key.as_bytes()[..]))
    }

    /// A JSON value by its meaning: members in the order of their names, since a database may order them as it likes.
    fn value(self, value: &Value) -> Self {
        match value {
            Value::Null => self.part(b"null"),
            Value::Bool(truth) => self.part(if *truth { b"true" } else { b"false" }),
            Value::Number(number) => self.part(b"number").part(number.to_string().as_bytes()),
            Value::String(text) => self.part(b"text").part(text.as_bytes()),
            Value::Array(list) => list.iter().fold(self.part(b"list").number(list.len() as u64), Self::value),
            Value::Object(members) => {
                let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
                sorted.sort_unstable_by_key(|(name, _)| *name);
                let parts = self.part(b"object").number(members.len() as u64);
                sorted.into_iter().fold(parts, |parts, (name, value)| parts.part(name.as_bytes()).value(value))
            }
        }
    }

    fn hash(self) -> [u8; 32] {
        sha256(&self.0)
    }
}

/// The digest of an audit record, base64url.
pub(super) fn digest(audit: &Audit) -> String {
    let parts = Parts::of("jeton audit record 1").key(Some(audit.key));
    let parts = match &audit.actor {
        Actor::Local { uid } => parts.part(b"local").number(u64::from(*uid)),
        Actor::Client { client_id } => parts.part(b"client").part(client_id.as_bytes()),
        Actor::System => parts.part(b"system").part(b""),
    };
    let parts = parts.key(audit.realm).part(audit.action.as_bytes()).part(audit.target.as_bytes());
    b64::encode(&parts.value(&audit.detail).part(audit.request_id.as_str().as_bytes()).hash())
}

/// What a block holds of one record, as one hash: an export may show only this, of records that are not for its reader.
pub(super) fn leaf(entry: &SealedEntry) -> String {
    let parts = Parts::of("jeton audit entry 1").key(Some(entry.key)).key(entry.realm);
    let parts = match &entry.digest {
        Some(digest) => parts.part(b"sealed").part(digest.as_bytes()),
        None => parts.part(b"lost").part(b""),
    };
    b64::encode(&parts.hash())
}

/// The hash of all entries of a block, from their leaves.
pub(super) fn root(leaves: &[String]) -> String {
    b64::encode(&leaves.iter().fold(Parts::of("jeton audit entries 1"), |parts, leaf| parts.part(leaf.as_bytes())).hash())
}

/// What a block says beside its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// See [`AuditSeal`].
    pub sequence: u64,
    /// See [`AuditSeal`].
    pub key: Key,
    /// See [`AuditSeal`].
    pub previous: String,
    /// How many entries there are.
    pub count: u64,
    /// See [`AuditSeal`].
    pub late: u64,
    /// See [`AuditSeal`].
    pub newest: Key,
    /// The hash of the entries.
    pub root: String,
}

impl Head {
    /// The head of a block as it is kept.
    pub fn of(block: &AuditSeal) -> Self {
        Self {
            sequence: block.sequence,
            key: block.key,
            previous: block.previous.clone(),
            count: block.entries.len() as u64,
            late: block.late,
            newest: block.newest,
            root: root(&block.entries.iter().map(leaf).collect::<Vec<_>>()),
        }
    }

    /// The block's hash, base64url.
    pub fn hash(&self) -> String {
        let parts = Parts::of("jeton audit block 1").number(self.sequence).key(Some(self.key)).part(self.previous.as_bytes());
        let parts = parts.number(self.count).number(self.late).key(Some(self.newest)).part(self.root.as_bytes());
        b64::encode(&parts.hash())
    }
}

/// What stands before the first block of an installation.
pub(super) fn first_previous(installation: Key) -> String {
    b64::encode(&Parts::of("jeton audit chain 1").key(Some(installation)).hash())
}

/// The key that signs blocks: it follows from the installation's data key, so it is kept nowhere.
pub fn signer(data: &DataKeys) -> Result<SigningKey, Fault> {
    SigningKey::ed25519_from_seed(&data.audit_seed()).map_err(|_| Fault::Broken("the key of the audit chain cannot be derived"))
}

/// The public half of a signer in short: the `x` of its JWK (RFC 8037 §2).
pub(super) fn shown_key(key: &PublicKey) -> String {
    key.to_jwk()["x"].as_str().unwrap_or_default().to_owned()
}

/// The public key that [`shown_key`] shows.
pub(super) fn parse_key(x: &str) -> Option<PublicKey> {
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
    PublicKey::from_jwk(jwk.as_object()?, None).ok()
}

/// What the signature of a block is made over.
pub(super) fn block_message(hash: &str) -> Vec<u8> {
    Parts::of("jeton audit signature 1").part(hash.as_bytes()).0
}

/// What the signature of a statement is made over: the records of this realm from before this moment are forgotten.
pub(super) fn forget_message(realm: Key, before: Time) -> Vec<u8> {
    Parts::of("jeton audit forgetting 1").key(Some(realm)).part(&before.millis().to_be_bytes()).0
}

/// Signs a message, base64url.
pub(super) fn sign(signer: &SigningKey, message: &[u8]) -> Result<String, Fault> {
    let signature = signer.sign(message).map_err(|_| Fault::Broken("the audit chain cannot be signed"))?;
    Ok(b64::encode(&signature))
}

/// Whether a signature fits.
pub(super) fn is_signed(key: &PublicKey, message: &[u8], signature: &str) -> bool {
    b64::decode(signature.as_bytes()).is_ok_and(|signature| key.verify(message, &signature).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_members_does_not_count_and_everything_else_does() {
        let hash = |value: Value| Parts::of("x").value(&value).hash();
        assert_eq!(hash(json!({"a": 1, "b": [2]})), hash(json!({"b": [2], "a": 1})));
        let values = [
            json!(null),
            json!(true),
            json!(1),
            json!("1"),
            json!(1.0),
            json!([]),
            json!([[]]),
            json!([1, 2]),
            json!([[1], 2]),
            json!({}),
            json!({"a": 1}),
            json!({"a": "1"}),
            json!({"a": {"b": 1}}),
            json!({"a": {}, "b": 1}),
        ];
        for (i, one) in values.iter().enumerate() {
            for (j, other) in values.iter().enumerate() {
                assert_eq!(hash(one.clone()) == hash(other.clone()), i == j, "{one} {other}");
            }
        }
    }
}
