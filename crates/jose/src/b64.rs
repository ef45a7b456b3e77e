//! Base64url is the only alphabet of JOSE, and here each byte string has exactly one spelling.
//!
//! There is no lenient mode: padding, the `+/` alphabet, white space and stray trailing bits are refused, so that
//! two different texts can never decode to the same token (RFC 7515 §2, RFC 4648 §3.5 and §5).

use crate::JoseError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Encodes bytes as base64url without padding (RFC 7515 §2).
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes canonical base64url without padding. The empty text is the empty byte string.
///
/// # Errors
/// `Malformed` for padding, `+` or `/`, white space, an impossible length, or non-zero trailing bits (RFC 4648 §3.5).
pub fn decode(text: &[u8]) -> Result<Vec<u8>, JoseError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| JoseError::Malformed)
}

/// Appends the encoding of `bytes` to `out`. Nothing but `A-Za-z0-9-_` is ever appended.
pub fn append(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + encoded_len(bytes.len()), 0);
    let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut out[start..]).expect("the slice has the exact length");
    debug_assert_eq!(written, out.len() - start);
}

/// The length of the encoding of `len` bytes: four characters for three bytes, without padding.
#[must_use]
pub const fn encoded_len(len: usize) -> usize {
    len / 3 * 4 + [0, 2, 3][len % 3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_round_trips_and_has_the_promised_length() {
        let bytes: Vec<u8> = (0..=255).collect();
        for len in 0..=bytes.len() {
            let text = encode(&bytes[..len]);
            assert_eq!(text.len(), encoded_len(len));
            assert_eq!(decode(text.as_bytes()).expect("round trip"), &bytes[..len]);
            let mut appended = b"x".to_vec();
            append(&bytes[..len], &mut appended);
            assert_eq!(appended, format!("x{text}").as_bytes());
        }
    }

    #[test]
    fn only_the_canonical_spelling_passes() {
        assert_eq!(decode(b"_-8").expect("canonical"), [0xff, 0xef]);
        for text in ["_-9", "_-8=", "/+8", "_-8\n", " _-8", "_", "_-8A_", "=", "_-\u{e9}", "_-8\0", "_-8==", "AA AA"] {
            assert_eq!(decode(text.as_bytes()), Err(JoseError::Malformed), "{text:?}");
        }
    }
}
