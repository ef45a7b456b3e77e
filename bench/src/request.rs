//! A request as bytes, with places for what changes from one to the next.

use crate::numbers::Numbers;
use crate::options::Options;
use std::error::Error;
use std::ops::Range;

/// What the options of [`Requests::of`] mean.
pub const USAGE: &str = "
  to=127.0.0.1:PORT   where
  path=/token         what
  host=NAME           the Host header (as `to`)
  basic=ID:SECRET     Basic credentials, percent-encoded already (none)
  body=FORM           the form; each run of # becomes the same random number below `vary`, with leading zeros; @ becomes a
                      random line of `lines`
  vary=N              see body (1)
  lines=FILE          see body (none)
  connections=N       (32)
  expect=TEXT         what stands in every good answer, which has status 200 (\"access_token\":)
  pid=PID             the server, for its CPU time (none)";

/// The requests of one driver.
pub struct Requests {
    templates: Vec<Template>,
    vary: u64,
    numbers: Numbers,
}

impl Requests {
    /// As the options say; the host is where they go.
    ///
    /// # Errors
    /// An option that is not understood, a file that cannot be read.
    pub fn of(options: &mut Options, to: &str) -> Result<Self, Box<dyn Error>> {
        let (host, path) = (options.text("host", to), options.text("path", "/token"));
        let (basic, body) = (options.text("basic", ""), options.text("body", "grant_type=client_credentials"));
        let lines = match options.maybe::<String>("lines")? {
            Some(file) => std::fs::read_to_string(file)?.lines().map(|line| body.replace('@', line)).collect(),
            None => vec![body],
        };
        let templates: Vec<_> = lines.iter().map(|body| Template::new(&path, &host, &basic, body)).collect();
        let vary = options.take("vary", "1")?;
        if templates.is_empty() || vary == 0 {
            return Err("there is nothing to ask".into());
        }
        Ok(Self { templates, vary, numbers: Numbers::default() })
    }

    /// The next request.
    pub fn fill(&mut self) -> &[u8] {
        let which = match self.templates.len() {
            1 => 0,
            several => usize::try_from(self.numbers.below(several as u64)).unwrap_or(0),
        };
        let number = self.numbers.below(self.vary);
        self.templates[which].fill(number)
    }
}

/// A request with places for a number.
struct Template {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Template {
    fn new(path: &str, host: &str, basic: &str, body: &str) -> Self {
        let bytes = post(path, host, basic, body);
        let mut places: Vec<Range<usize>> = Vec::new();
        let head = bytes.len() - body.len();
        for at in body.bytes().enumerate().filter(|(_, byte)| *byte == b'#').map(|(at, _)| head + at) {
            match places.last_mut() {
                Some(place) if place.end == at => place.end += 1,
                _ => places.push(at..at + 1),
            }
        }
        Self { bytes, places }
    }

    fn fill(&mut self, number: u64) -> &[u8] {
        for place in &self.places {
            let mut rest = number;
            for digit in self.bytes[place.clone()].iter_mut().rev() {
                *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
                rest /= 10;
            }
        }
        &self.bytes
    }
}

/// A POST of a form.
#[must_use]
pub fn post(path: &str, host: &str, basic: &str, body: &str) -> Vec<u8> {
    let credentials =
        if basic.is_empty() { String::new() } else { format!("Authorization: Basic {}\r\n", base64(basic.as_bytes())) };
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\n{credentials}Accept: application/json\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A GET.
#[must_use]
pub fn get(path: &str, host: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n\r\n").into_bytes()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| usize::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            text.push(if at <= chunk.len() { char::from(LETTERS[bits >> (18 - 6 * at) & 63]) } else { '=' });
        }
    }
    text
}
