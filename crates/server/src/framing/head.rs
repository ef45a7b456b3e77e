//! The head of a request is inspected byte by byte, and one that two servers could read differently is refused.

use crate::refuse::Violation;

/// Most bytes of a head, the empty line included.
pub const MOST_BYTES: usize = 16 << 10;
/// Most bytes of a request target.
pub const MOST_TARGET: usize = 8 << 10;
/// Most header fields.
pub const MOST_FIELDS: usize = 64;
/// Most bytes of a method; the longest registered one has 17.
const MOST_METHOD: usize = 32;

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// So many bytes, perhaps none.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// A head that is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its length in bytes, the empty line included.
    pub length: usize,
    /// What follows.
    pub body: Body,
}

const TOO_LARGE: Violation = Violation::too_long(431, "The request's header is too large.");
const TARGET_TOO_LONG: Violation = Violation::too_long(414, "The request's target is too long.");

/// Inspects the head that these bytes begin with; `None` while it is not complete.
pub fn inspect(bytes: &[u8]) -> Result<Option<Head>, Violation> {
    // What begins otherwise is no HTTP, for example TLS on the clear port.
    if bytes.first().is_some_and(|first| !is_token(*first)) {
        return Err(Violation::malformed("The request does not begin with a method."));
    }
    let Some((request_line, mut at)) = line(bytes, 0)? else {
        let target = bytes.iter().position(|byte| *byte == b' ').map_or(0, |space| bytes.len() - space - 1);
        let long = target > MOST_TARGET + " HTTP/1.1\r".len();
        return if long || bytes.len() > MOST_BYTES { Err(TARGET_TOO_LONG) } else { Ok(None) };
    };
    let request = RequestLine::parse(request_line)?;
    let mut fields = Fields::default();
    loop {
        if at > MOST_BYTES {
            return Err(TOO_LARGE);
        }
        let Some((field, next)) = line(bytes, at)? else {
            return if bytes.len() > MOST_BYTES { Err(TOO_LARGE) } else { Ok(None) };
        };
        at = next;
        if field.is_empty() {
            break;
        }
        fields.add(field)?;
    }
    if at > MOST_BYTES {
        return Err(TOO_LARGE);
    }
    Ok(Some(Head { length: at, body: fields.conclude(&request)? }))
}

/// The line that begins here, without its end, and where the next one begins.
fn line(bytes: &[u8], at: usize) -> Result<Option<(&[u8], usize)>, Violation> {
    let Some(length) = memchr::memchr(b'\n', &bytes[at..]) else {
        return Ok(None);
    };
    // RFC 9112 §2.2 lets a recipient take a bare LF for a line end; a proxy in front may not, so it is refused.
    let Some(line) = bytes[at..at + length].strip_suffix(b"\r") else {
        return Err(Violation::malformed("A line of the request does not end with CR LF."));
    };
    Ok(Some((line, at + length + 1)))
}

struct RequestLine<'a> {
    /// Host and port of a target in absolute form.
    authority: Option<&'a [u8]>,
    is_http_10: bool,
}

impl<'a> RequestLine<'a> {
    fn parse(line: &'a [u8]) -> Result<Self, Violation> {
        const BAD: Violation = Violation::malformed("The request line is malformed.");
        let mut parts = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(BAD);
        };
        if method.is_empty() || method.len() > MOST_METHOD || !method.iter().copied().all(is_token) {
            return Err(BAD);
        }
        if target.len() > MOST_TARGET {
            return Err(TARGET_TOO_LONG);
        }
        if !target.iter().copied().all(may_stand_in_target) {
            return Err(Violation::malformed("The request's target has a character that must be percent-encoded."));
        }
        let is_http_10 = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            _ => return Err(Violation::malformed("The request's version is not HTTP/1.1.")),
        };
        let authority = match target {
            [b'/', ..] => None,
            b"*" if method == b"OPTIONS" => None,
            _ => Some(authority(target).ok_or(BAD)?),
        };
        Ok(Self { authority, is_http_10 })
    }
}

/// Host and port of a target in absolute form (RFC 9112 §3.2.2).
fn authority(target: &[u8]) -> Option<&[u8]> {
    let colon = target.iter().position(|byte| *byte == b':')?;
    let scheme = &target[..colon];
    let rest = target[colon..].strip_prefix(b"://")?;
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return None;
    }
    Some(&rest[..rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len())])
}

/// The fields that say where a request ends and whom it is for.
#[derive(Default)]
struct Fields<'a> {
    count: usize,
    host: Option<&'a [u8]>,
    length: Option<u64>,
    is_chunked: bool,
}

impl<'a> Fields<'a> {
    fn add(&mut self, field: &'a [u8]) -> Result<(), Violation> {
        self.count += 1;
        if self.count > MOST_FIELDS {
            return Err(TOO_LARGE);
        }
        // RFC 9112 §5.1: no space before the colon. §5.2: a line that begins with a space would go on with the one before.
        let name_length = field.iter().position(|byte| !is_token(*byte)).unwrap_or(field.len());
        let (name, rest) = field.split_at(name_length);
        let Some(value) = rest.strip_prefix(b":").filter(|_| !name.is_empty()) else {
            return Err(Violation::malformed("A header field's name is malformed."));
        };
        // RFC 9110 §5.5: NUL, CR and LF are dangerous in a value; no control character but the tab means anything there.
        if value.iter().fold(false, |bad, byte| bad | ((*byte < 0x20) & (*byte != b'\t')) | (*byte == 0x7F)) {
            return Err(Violation::malformed("A header field's value has a control character."));
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(value.trim_ascii()),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value.trim_ascii()),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value.trim_ascii()),
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &'a [u8]) -> Result<(), Violation> {
        // RFC 9112 §3.2: more than one Host, or an invalid one, is answered with 400.
        if self.host.is_some() || !is_host(value) {
            return Err(HOST);
        }
        self.host = Some(value);
        Ok(())
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Violation> {
        const BAD: Violation = Violation::malformed("The header field Content-Length is malformed.");
        // RFC 9112 §6.3: several or differing lengths are an error; digits only, so no list and no sign either.
        if self.length.is_some() || value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
            return Err(BAD);
        }
        self.length = Some(value.iter().fold(0, |length, digit| length * 10 + u64::from(digit - b'0')));
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Violation> {
        if self.is_chunked {
            return Err(CODING);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            // RFC 9112 §6.1: a coding that is not known is answered with 501.
            let coded = value.iter().all(|byte| is_token(*byte)) && !value.is_empty();
            return Err(if coded { Violation { status: 501, ..CODING } } else { CODING });
        }
        self.is_chunked = true;
        Ok(())
    }

    fn conclude(&self, request: &RequestLine<'_>) -> Result<Body, Violation> {
        let host = self.host.ok_or(HOST)?;
        // RFC 9112 §3.2.2 lets the target win over Host; we want them to be the same.
        if request.authority.is_some_and(|authority| !authority.eq_ignore_ascii_case(host)) {
            return Err(HOST);
        }
        match (self.is_chunked, self.length) {
            (false, length) => Ok(Body::Length(length.unwrap_or(0))),
            // RFC 9112 §6.1: HTTP/1.0 has no transfer codings.
            (true, None) if !request.is_http_10 => Ok(Body::Chunked),
            // RFC 9112 §6.1: both together ought to be treated as an error.
            (true, _) => Err(CODING),
        }
    }
}

/// A request whose host is missing, doubled or malformed.
pub const HOST: Violation = Violation::malformed("The request must have exactly one valid Host.");
const CODING: Violation = Violation::malformed("The header field Transfer-Encoding is not usable here.");

/// Whether a byte may stand in a target: visible ASCII that RFC 3986 §2 knows; RFC 9112 §3.2: there is no fragment.
pub const fn may_stand_in_target(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7E) && !matches!(byte, b'#' | b'<' | b'>' | b'"' | b'`')
}

/// RFC 9110 §5.6.2.
const fn is_token(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-'
        | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// A name or an address, with or without a port (RFC 3986 §3.2.2, without percent-encoding, which no host of ours has).
pub fn is_host(value: &[u8]) -> bool {
    let (name, port) = match value.strip_prefix(b"[") {
        Some(rest) => match rest.iter().position(|byte| *byte == b']') {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => return false,
        },
        None => value.split_at(value.iter().position(|byte| *byte == b':').unwrap_or(value.len())),
    };
    let is_address = value.starts_with(b"[");
    let name_is_good = name.iter().all(|byte| match byte {
        b':' => is_address,
        b'-' | b'_' => !is_address,
        b'.' => true,
        _ => byte.is_ascii_alphanumeric(),
    });
    let port_is_good = match port.strip_prefix(b":") {
        Some(digits) => (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit),
        None => port.is_empty(),
    };
    !name.is_empty() && name.len() <= 253 && name_is_good && port_is_good
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(head: &str) -> u16 {
        match inspect(head.as_bytes()) {
            Ok(Some(inspected)) => {
                assert_eq!(inspected.length, head.len());
                200
            }
            Ok(None) => 0,
            Err(violation) => violation.status,
        }
    }

    #[test]
    fn a_head_is_in_order_or_refused() {
        let long = "x".repeat(MOST_TARGET);
        for (request_line, expected) in [
            ("GET / HTTP/1.1", 200),
            ("POST /a%20b?c=d;e=/? HTTP/1.1", 200),
            ("GET http://A.example:8400/x HTTP/1.1", 200),
            ("OPTIONS * HTTP/1.1", 200),
            ("GET / HTTP/1.0", 200),
            ("GET /\r", 400),
            ("GET /", 400),
            ("GET  / HTTP/1.1", 400),
            ("GET / HTTP/1.1 ", 400),
            ("GET\t/ HTTP/1.1", 400),
            (" GET / HTTP/1.1", 400),
            ("GET /a b HTTP/1.1", 400),
            ("GET /#a HTTP/1.1", 400),
            ("GET /é HTTP/1.1", 400),
            ("GET /\0 HTTP/1.1", 400),
            ("GET * HTTP/1.1", 400),
            ("GET x HTTP/1.1", 400),
            ("CONNECT a.example:8400 HTTP/1.1", 400),
            ("GET http://b.example/ HTTP/1.1", 400),
            ("GET http://u@a.example:8400/ HTTP/1.1", 400),
            ("GET ftp://a.example:8400/ HTTP/1.1", 400),
            ("GET / HTTP/2.0", 400),
            ("PRI * HTTP/2.0", 400),
            ("GET / HTTP/1.2", 400),
            ("GET / http/1.1", 400),
            (&format!("GET /{} HTTP/1.1", &long[1..]), 200),
            (&format!("GET /{long} HTTP/1.1"), 414),
            (&format!("{} / HTTP/1.1", "G".repeat(33)), 400),
        ] {
            assert_eq!(status(&format!("{request_line}\r\nHost: a.example:8400\r\n\r\n")), expected, "{request_line}");
        }
    }

    #[test]
    fn a_field_that_could_be_read_twice_is_refused() {
        for (field, expected) in [
            ("", 200),
            ("X_y: é\t\x7e\r\n", 200),
            ("Content-Length: 0\r\n", 200),
            ("Content-Length:  5 \r\n", 200),
            ("transfer-encoding:CHUNKED\r\n", 200),
            ("Host: b\r\n", 400),
            ("Host : a\r\n", 400),
            ("X y: z\r\n", 400),
            (": z\r\n", 400),
            ("x\r\n", 400),
            ("X: a\r\n b\r\n", 400),
            ("X: a\n", 400),
            ("X: a\rb\r\n", 400),
            ("X: a\0b\r\n", 400),
            ("X: \x1b[31m\r\n", 400),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", 400),
            ("Content-Length: 5, 5\r\n", 400),
            ("Content-Length: +5\r\n", 400),
            ("Content-Length: -5\r\n", 400),
            ("Content-Length: 0x5\r\n", 400),
            ("Content-Length: \r\n", 400),
            ("Content-Length: 10000000000000000000000\r\n", 400),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
            ("Transfer-Encoding: chunked, chunked\r\n", 400),
            ("Transfer-Encoding: gzip, chunked\r\n", 400),
            ("Transfer-Encoding: \r\n", 400),
            ("Transfer-Encoding: identity\r\n", 501),
            ("Transfer-Encoding: xchunked\r\n", 501),
            ("Transfer-Encoding : chunked\r\n", 400),
        ] {
            assert_eq!(status(&format!("POST / HTTP/1.1\r\nHost: a\r\n{field}\r\n")), expected, "{field:?}");
        }
        assert_eq!(status("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
    }

    #[test]
    fn a_request_has_one_valid_host() {
        for (host, expected) in [
            ("a", 200),
            ("a.b-c_d.example", 200),
            ("127.0.0.1:8400", 200),
            ("[::1]", 200),
            ("[::1]:8400", 200),
            ("", 400),
            (":80", 400),
            ("a:", 400),
            ("a:123456", 400),
            ("a:b", 400),
            ("a/b", 400),
            ("a b", 400),
            ("a,b", 400),
            ("u@a", 400),
            ("[::1", 400),
            ("[::1]x", 400),
            ("::1", 400),
            ("é", 400),
        ] {
            assert_eq!(status(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")), expected, "{host}");
        }
        assert_eq!(status("GET / HTTP/1.1\r\nAccept: a\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/1.0\r\n\r\n"), 400);
    }

    #[test]
    fn size_is_bounded_before_a_head_is_complete() {
        let fields = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(count - 1));
        assert_eq!((status(&fields(64)), status(&fields(65))), (200, 431));
        let start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
        let filled = |total: usize| format!("{start}{}\r\n\r\n", "x".repeat(total - start.len() - 4));
        assert_eq!((status(&filled(MOST_BYTES)), status(&filled(MOST_BYTES + 1))), (200, 431));
        assert_eq!((status("GE"), status("GET / HTTP/1.1\r\n"), status("GET / HTTP/1.1\r\nHost: a\r")), (0, 0, 0));
        assert_eq!(status(&format!("{start}{}", "x".repeat(MOST_BYTES))), 431);
        assert_eq!(status(&format!("GET /{}", "x".repeat(9000))), 414);
        assert_eq!((status("\u{16}\u{3}"), status("\r\n")), (400, 400));
    }
}
