//! The signature of a message as Standard Webhooks has it, so that receivers check it with a library that exists.
//!
//! It is HMAC-SHA256 over `id.timestamp.body`, in base64 behind `v1,`; the secret is written as `whsec_` and base64
//! (<https://www.standardwebhooks.com>, specification 1.0.0).

use jeton_jose::{b64, hmac_sha256};
use std::fmt;
use zeroize::Zeroizing;

/// How the secret of a webhook begins.
pub const SECRET_PREFIX: &str = "whsec_";

/// Why a text is no secret of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretError;

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the secret of a webhook is whsec_ and 24 to 64 bytes as base64")
    }
}

/// Reads a secret.
pub fn parse_secret(text: &str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let digits = text.strip_prefix(SECRET_PREFIX).ok_or(SecretError)?;
    let plain = Zeroizing::new(digits.trim_end_matches('=').replace('+', "-").replace('/', "_"));
    let bytes = Zeroizing::new(b64::decode(plain.as_bytes()).map_err(|_| SecretError)?);
    if (24..=64).contains(&bytes.len()) { Ok(bytes) } else { Err(SecretError) }
}

/// Writes a secret.
#[must_use]
pub fn secret_text(secret: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(format!("{SECRET_PREFIX}{}", standard(secret)))
}

/// The header `webhook-signature` of a message.
#[must_use]
pub fn signature(secret: &[u8], id: &str, timestamp: i64, body: &str) -> String {
    format!("v1,{}", standard(&hmac_sha256(secret, format!("{id}.{timestamp}.{body}").as_bytes())))
}

/// Base64 with padding (RFC 4648 §4).
fn standard(bytes: &[u8]) -> String {
    let text = b64::encode(bytes).replace('-', "+").replace('_', "/");
    let padding = (4 - text.len() % 4) % 4;
    text + &"=".repeat(padding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_of_the_specification() {
        // The example of the specification's reference libraries.
        let secret = parse_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let header = signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(header, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(secret_text(&secret).as_str(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    }

    #[test]
    fn other_texts_are_no_secrets() {
        for text in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_!!!!9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
        {
            assert_eq!(parse_secret(text).map(drop), Err(SecretError), "{text}");
        }
    }
}
