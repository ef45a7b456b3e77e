//! Chunks are followed byte by byte, so that the next request begins where both sides think it does (RFC 9112 §7.1).

use crate::refuse::Violation;

/// Longest line of a chunk's size with its extensions.
const MOST_LINE: usize = 256;
/// Most digits of a chunk's size.
const MOST_DIGITS: u32 = 8;

const BAD: Violation = Violation::malformed("The request's body is not well-formed chunks.");

/// Where in a chunked body the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunks {
    /// In the digits of a size.
    Size {
        /// What they say so far.
        size: u64,
        /// How many there were.
        digits: u32,
    },
    /// Behind a size, in extensions that nobody asked for.
    Extension {
        /// The chunk's size.
        size: u64,
        /// How long the line is.
        length: usize,
    },
    /// Behind the CR of a size's line.
    SizeEnd(u64),
    /// In the data; so many bytes are left.
    Data(u64),
    /// Behind the data.
    DataEnd,
    /// Behind the CR that follows the data.
    DataEndLf,
    /// Behind the last chunk. Trailers are not taken.
    Last,
    /// Behind the last CR.
    LastLf,
    /// The body is complete.
    Done,
}

impl Chunks {
    /// Before the first byte.
    pub const START: Self = Self::Size { size: 0, digits: 0 };

    /// Follows these bytes; tells how many belong to the body.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        let mut at = 0;
        while at < bytes.len() && *self != Self::Done {
            if let Self::Data(left) = *self {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - at);
                at += taken;
                *self = if left == taken as u64 { Self::DataEnd } else { Self::Data(left - taken as u64) };
                continue;
            }
            *self = self.next(bytes[at])?;
            at += 1;
        }
        Ok(at)
    }

    fn next(self, byte: u8) -> Result<Self, Violation> {
        Ok(match (self, byte) {
            (Self::Size { digits, .. }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits == MOST_DIGITS => return Err(BAD),
            (Self::Size { size, digits }, _) => match (char::from(byte).to_digit(16), byte) {
                (Some(digit), _) => Self::Size { size: size * 16 + u64::from(digit), digits: digits + 1 },
                (None, _) if digits == 0 => return Err(BAD),
                (None, b'\r') => Self::SizeEnd(size),
                (None, b';' | b' ' | b'\t') => Self::Extension { size, length: 0 },
                (None, _) => return Err(BAD),
            },
            (Self::Extension { size, .. }, b'\r') => Self::SizeEnd(size),
            (Self::Extension { size, length }, b'\t' | b' '..=b'~') if length < MOST_LINE => {
                Self::Extension { size, length: length + 1 }
            }
            (Self::SizeEnd(0), b'\n') => Self::Last,
            (Self::SizeEnd(size), b'\n') => Self::Data(size),
            (Self::DataEnd, b'\r') => Self::DataEndLf,
            (Self::DataEndLf, b'\n') => Self::START,
            (Self::Last, b'\r') => Self::LastLf,
            (Self::LastLf, b'\n') => Self::Done,
            _ => return Err(BAD),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_chunks_ends_where_it_says() {
        for (text, expected) in [
            ("0\r\n\r\nGET", Ok(5)),
            ("5\r\nhello\r\n0\r\n\r\n", Ok(15)),
            ("A\r\n0123456789\r\n00\r\n\r\nx", Ok(21)),
            ("3;a=\"b\"\r\nabc\r\n0 \r\n\r\n", Ok(20)),
            ("5\nhello", Err(BAD)),
            ("5\r\nhello0\r\n\r\n", Err(BAD)),
            ("3;\n\r\nabc", Err(BAD)),
            ("-1\r\n", Err(BAD)),
            ("0x5\r\n", Err(BAD)),
            ("\r\n", Err(BAD)),
            ("0\r\nX: y\r\n\r\n", Err(BAD)),
            ("123456789\r\n", Err(BAD)),
        ] {
            let mut whole = Chunks::START;
            assert_eq!(whole.follow(text.as_bytes()), expected, "{text:?}");
            let mut single = Chunks::START;
            let followed = text.bytes().try_fold(0, |sum, byte| single.follow(&[byte]).map(|taken| sum + taken));
            assert_eq!(followed, expected, "{text:?} byte by byte");
            assert_eq!(expected.is_ok(), single == Chunks::Done, "{text:?}");
        }
        let mut long = Chunks::START;
        assert_eq!(long.follow(format!("1;{}", "x".repeat(300)).as_bytes()), Err(BAD));
    }
}
