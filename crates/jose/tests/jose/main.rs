//! The crate as its callers see it: published vectors, hostile input, and a lot of nonsense.

mod keys;
mod nonsense;
mod tokens;
mod vectors;
mod wycheproof_vectors;

use jeton_jose::{Algorithm, SigningKey, b64};
use serde_json::{Map, Value};

/// Reads a vector file.
fn rows(text: &str) -> Value {
    serde_json::from_str(text).expect("vector files are JSON")
}

/// The object behind a value.
fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

/// The text of a member.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is a text"))
}

/// Bytes from hexadecimal digits.
fn hex(digits: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal");
    (0..digits.len()).step_by(2).map(pair).collect()
}

/// The published private key for an algorithm: fixed, so that a failure can be repeated.
fn key(algorithm: Algorithm) -> SigningKey {
    let vectors = rows(include_str!("../../vectors/signatures.json"));
    let row = vectors.as_array().expect("rows").iter().find(|row| text(row, "alg") == algorithm.name());
    let der = b64::decode(text(row.expect("every algorithm has a row"), "pkcs8").as_bytes()).expect("base64url");
    SigningKey::from_pkcs8(algorithm, &der).expect("a published key")
}

/// A token whose signature is right, whatever its header and payload say.
fn forge(key: &SigningKey, header: &[u8], payload: &[u8]) -> String {
    let signed = format!("{}.{}", b64::encode(header), b64::encode(payload));
    let signature = key.sign(signed.as_bytes()).expect("signs");
    format!("{signed}.{}", b64::encode(&signature))
}
