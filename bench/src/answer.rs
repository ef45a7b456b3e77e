//! An answer as it stands on a socket: whether it is whole, its status, its parts.

use std::error::Error;

/// Whether a whole answer is there.
///
/// # Errors
/// An answer that does not say how long it is.
pub fn is_complete(answer: &[u8]) -> Result<bool, Box<dyn Error>> {
    let Some(head) = head_len(answer) else {
        return Ok(false);
    };
    let length = field(&answer[..head], b"content-length:").map(|value| String::from_utf8_lossy(value).trim().parse::<usize>());
    match length {
        Some(length) => Ok(answer.len() >= head + 4 + length?),
        None => Err(format!("an answer without Content-Length: {}", String::from_utf8_lossy(answer)).into()),
    }
}

/// Whether it is what was asked for.
#[must_use]
pub fn is_good(answer: &[u8], expect: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.1 200 ") && answer.windows(expect.len()).any(|window| window == expect)
}

/// Whether it is a refusal that says when to come again (RFC 9110 §15.6.4).
#[must_use]
pub fn is_refused(answer: &[u8]) -> bool {
    let head = head_len(answer).unwrap_or(0);
    answer.starts_with(b"HTTP/1.1 503 ") && field(&answer[..head], b"retry-after:").is_some()
}

/// Whether the server closes the connection behind it.
#[must_use]
pub fn closes(answer: &[u8]) -> bool {
    let head = head_len(answer).unwrap_or(0);
    field(&answer[..head], b"connection:").is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// The access token in it.
#[must_use]
pub fn token(answer: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"\"access_token\":\"";
    let start = answer.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let end = answer[start..].iter().position(|byte| *byte == b'"')?;
    Some(&answer[start..start + end])
}

/// What follows the head.
#[must_use]
pub fn body(answer: &[u8]) -> &[u8] {
    head_len(answer).map_or(&[], |head| &answer[head + 4..])
}

fn head_len(answer: &[u8]) -> Option<usize> {
    answer.windows(4).position(|window| window == b"\r\n\r\n")
}

fn field<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (found, value) = line.split_at_checked(name.len())?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}
