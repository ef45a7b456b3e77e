//! A credential's value is made here, shown once, and kept only as a hash; values and hashes made elsewhere are taken in.

use super::document::SecretText;
use super::{Act, AdminStop};
use crate::record::{BasicEncoding, Realm, SecretHash};
use jeton_jose::{b64, sha256};

/// The prefix of client secrets, by which leak scanners find them.
pub const SECRET_PREFIX: &str = "jcs_";
/// The prefix of API keys.
pub const API_KEY_PREFIX: &str = "jak_";
/// How many characters of the checksum stand at the end of a value.
const CHECKSUM: usize = 6;
/// Longest imported value, in bytes.
const MOST_BYTES: usize = 512;

/// A new value: the prefix, 256 random bits as 43 characters, and a checksum of both, all of it within `[A-Za-z0-9_-]`.
pub(super) fn generate(act: &mut Act<'_, '_>, prefix: &str) -> SecretText {
    let body = format!("{prefix}{}", b64::encode(&act.draw::<32>("credential")));
    SecretText::new(&format!("{body}{}", checksum(&body)))
}

fn checksum(body: &str) -> String {
    let mut digest = b64::encode(&sha256(body.as_bytes()));
    digest.truncate(CHECKSUM);
    digest
}

/// Whether a text is a value as [`generate`] makes them; for leak scanners and for hints.
#[must_use]
pub fn is_generated(value: &str) -> bool {
    let known = value.starts_with(SECRET_PREFIX) || value.starts_with(API_KEY_PREFIX);
    known
        && value.is_ascii()
        && value.len() == SECRET_PREFIX.len() + 43 + CHECKSUM
        && value.split_at_checked(value.len() - CHECKSUM).is_some_and(|(body, sum)| checksum(body) == sum)
}

/// What an owner may see of a value: enough to recognise it, too little to guess it.
pub(super) fn hint(value: &str) -> String {
    let shown = if is_generated(value) { SECRET_PREFIX.len() + 4 } else { (value.chars().count() / 8).min(4) };
    value.chars().take(shown).collect()
}

/// Refuses values that no client could send.
pub(super) fn check_value(what: &str, value: &SecretText) -> Result<(), AdminStop> {
    let text = value.expose();
    if text.is_empty() || text.len() > MOST_BYTES || text.chars().any(char::is_control) {
        return Err(AdminStop::Invalid(format!("{what}: a value has 1 to {MOST_BYTES} bytes and no control characters")));
    }
    Ok(())
}

/// What an administrator should know about a value made elsewhere, if anything.
pub(super) fn warning(realm: &Realm, what: &str, value: &SecretText) -> Option<String> {
    let text = value.expose();
    // RFC 6749 §2.3.1: the parts of Basic credentials are form-encoded; RFC 7617 has them as they are.
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'*');
    match realm.settings.basic {
        BasicEncoding::Form if text.contains(['+', '%']) => Some(format!(
            "{what} has + or %: a client that sends it in Basic without percent-encoding it is refused \
             (this realm reads Basic as RFC 6749 section 2.3.1 says)"
        )),
        BasicEncoding::Raw if !text.bytes().all(plain) => Some(format!(
            "{what} has characters that RFC 6749 section 2.3.1 encodes: a client that encodes them in Basic is refused \
             (this realm reads Basic raw)"
        )),
        _ if text.chars().count() < 16 => Some(format!("{what} is short; replace it by a generated one when you can")),
        _ => None,
    }
}

/// Reads a hash that was made elsewhere: `sha256:` with hexadecimal or base64url digits, or a PHC or crypt string.
pub(super) fn parse_hash(what: &str, text: &SecretText) -> Result<SecretHash, AdminStop> {
    const SLOW: [&str; 6] = ["$argon2id$", "$2a$", "$2b$", "$2y$", "$pbkdf2-sha256$", "$pbkdf2-sha512$"];
    let text = text.expose();
    if let Some(digits) = text.strip_prefix("sha256:") {
        let bytes = if digits.len() == 64 { from_hex(digits) } else { b64::decode(digits.as_bytes()).ok() };
        return match bytes {
            Some(bytes) if bytes.len() == 32 => Ok(SecretHash::Sha256 { digest: b64::encode(&bytes) }),
            _ => Err(AdminStop::Invalid(format!("{what}: sha256: is followed by 64 hexadecimal or 43 base64url digits"))),
        };
    }
    let parts: Vec<&str> = text.split('$').collect();
    let cost = |text: &str| text.len() == 2 && text.parse::<u8>().is_ok_and(|cost| (4..=15).contains(&cost));
    let whole = match parts.as_slice() {
        ["", "argon2id", version, parameters, salt, hash] => {
            version.starts_with("v=") && parameters.starts_with("m=") && !salt.is_empty() && !hash.is_empty()
        }
        ["", "argon2id", parameters, salt, hash] => parameters.starts_with("m=") && !salt.is_empty() && !hash.is_empty(),
        ["", "2a" | "2b" | "2y", rounds, digest] => cost(rounds) && digest.len() == 53,
        ["", "pbkdf2-sha256" | "pbkdf2-sha512", rounds, salt, hash] => !rounds.is_empty() && !salt.is_empty() && !hash.is_empty(),
        _ => false,
    };
    let plain = whole && text.len() <= MOST_BYTES && text.bytes().all(|b| b.is_ascii_graphic());
    if plain && SLOW.iter().any(|prefix| text.starts_with(prefix)) {
        return Ok(SecretHash::Foreign { phc: text.to_owned() });
    }
    let known = SLOW.join(" ");
    Err(AdminStop::Invalid(format!("{what}: a hash starts with sha256: or one of {known}, and is whole")))
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|value| u8::try_from(value).ok());
    digits.as_bytes().chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_value_is_recognised_and_a_damaged_one_is_not() {
        let body = format!("{SECRET_PREFIX}{}", b64::encode(&[7; 32]));
        let value = format!("{body}{}", checksum(&body));
        assert_eq!(value.len(), 53);
        assert!(is_generated(&value));
        assert!(value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')));
        assert_eq!(hint(&value).len(), 8);
        let damaged = value.replacen('B', "C", 1);
        assert!(damaged == value || !is_generated(&damaged));
        assert!(!is_generated(&value[..52]));
        assert!(!is_generated(&format!("xcs_{}", &value[4..])));
        assert_eq!(hint("hunter2"), "");
        assert_eq!(hint("a-secret-of-sixteen"), "a-");
    }

    #[test]
    fn hashes_are_read_in_every_form_and_nothing_else_is() {
        let read = |text: &str| parse_hash("x", &SecretText::new(text));
        let hex = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
        let same = "LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564";
        assert_eq!(read(&format!("sha256:{hex}")), read(&format!("sha256:{same}")));
        let bcrypt = format!("$2b$12${}", "a".repeat(53));
        assert!(matches!(read(&bcrypt), Ok(SecretHash::Foreign { .. })));
        for bad in [
            "",
            "sha256:",
            "sha256:zz",
            "md5:00",
            "$1$abc",
            "$2b$12$abc",
            "$argon2i$v=19$m=1,t=1,p=1$a$b",
            "$2b$12$a b",
            &format!("sha256:{}", &hex[1..]),
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
