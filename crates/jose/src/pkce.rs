//! PKCE proves that who redeems a code is who asked for it.
//!
//! Only `S256` exists here: `plain` protects nothing and is not offered (RFC 7636 §4.2, RFC 9700 §2.1.1). This file
//! does not decide who must use PKCE.

use crate::{JoseError, b64, constant_time_eq, sha256};

/// The `S256` challenge of a verifier: the base64url of its SHA-256 (RFC 7636 §4.2).
#[must_use]
pub fn s256(verifier: &str) -> String {
    b64::encode(&sha256(verifier.as_bytes()))
}

/// Checks that a challenge can be one: the canonical base64url of 32 bytes, 43 characters (RFC 7636 §4.2).
///
/// # Errors
/// `PkceMalformed` otherwise.
pub fn check_challenge(challenge: &str) -> Result<(), JoseError> {
    match b64::decode(challenge.as_bytes()) {
        Ok(digest) if digest.len() == 32 => Ok(()),
        _ => Err(JoseError::PkceMalformed),
    }
}

/// Checks a verifier against the challenge that was stored with the code.
///
/// # Errors
/// `PkceMalformed` when the verifier breaks the grammar; `PkceMismatch` when it is another one's.
pub fn check(verifier: &str, challenge: &str) -> Result<(), JoseError> {
    // RFC 7636 §4.1: "with a minimum length of 43 characters and a maximum length of 128 characters."
    if !(43..=128).contains(&verifier.len()) {
        return Err(JoseError::PkceMalformed);
    }
    // RFC 7636 §4.1: code-verifier = 43*128unreserved
    if !verifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) {
        return Err(JoseError::PkceMalformed);
    }
    // RFC 7636 §4.6: the transformed verifier must equal the stored challenge.
    if !constant_time_eq(s256(verifier).as_bytes(), challenge.as_bytes()) {
        return Err(JoseError::PkceMismatch);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 Appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(s256(VERIFIER), CHALLENGE);
        assert_eq!(check(VERIFIER, CHALLENGE), Ok(()));
    }

    #[test]
    fn verifiers_have_a_grammar() {
        for (verifier, expected) in [
            ("a".repeat(42), Err(JoseError::PkceMalformed)),
            ("a".repeat(43), Ok(())),
            ("~._-".repeat(32), Ok(())),
            ("a".repeat(129), Err(JoseError::PkceMalformed)),
            (format!("{} ", "a".repeat(43)), Err(JoseError::PkceMalformed)),
            (format!("{}+", "a".repeat(43)), Err(JoseError::PkceMalformed)),
            (format!("{}\u{e9}", "a".repeat(43)), Err(JoseError::PkceMalformed)),
            (String::new(), Err(JoseError::PkceMalformed)),
        ] {
            assert_eq!(check(&verifier, &s256(&verifier)), expected, "{verifier:?}");
        }
        assert_eq!(check(&"a".repeat(43), CHALLENGE), Err(JoseError::PkceMismatch));
        // The plain method: the challenge is the verifier itself.
        assert_eq!(check(VERIFIER, VERIFIER), Err(JoseError::PkceMismatch));
        assert_eq!(check(VERIFIER, ""), Err(JoseError::PkceMismatch));
    }

    #[test]
    fn challenges_have_a_grammar() {
        assert_eq!(check_challenge(CHALLENGE), Ok(()));
        let last = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cN";
        for challenge in ["", "E9Mel", last, &CHALLENGE[1..], &format!("{CHALLENGE}="), &format!("{CHALLENGE}A"), "~"] {
            assert_eq!(check_challenge(challenge), Err(JoseError::PkceMalformed), "{challenge:?}");
        }
    }
}
