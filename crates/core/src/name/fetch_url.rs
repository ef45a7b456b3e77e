//! A fetch URL is an address that we may send a request to; an address that is only shown has another type.
//!
//! Only the text is judged here: which machines may be reached is decided when a connection is made, by the addresses that
//! the name has at that moment.

use super::NameError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, sync::Arc};
use url::Url;

/// An http or https URL without user information and fragment, at a port that web servers use.
#[derive(Clone, PartialEq, Eq)]
pub struct FetchUrl(Arc<Url>);

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Through TLS.
    Https,
}

impl FetchUrl {
    /// Checks the form. Other spellings of numeric addresses (`2130706433`, `0x7f.1`) become plain ones here.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let no = Err(NameError("this must be an https URL without user information and fragment, of at most 1024 characters"));
        let visible = text.len() <= 1024 && text.bytes().all(|b| (0x21..=0x7E).contains(&b));
        let Some(url) = visible.then(|| Url::parse(text).ok()).flatten() else { return no };
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if !plain || !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return no;
        }
        // Below 1024 listen the services that a web server is not (SSH, SMTP and others).
        match url.port_or_known_default() {
            Some(80 | 443 | 1024..) => Ok(Self(Arc::new(url))),
            _ => Err(NameError("the port must be 443, or 1024 or greater")),
        }
    }

    /// How a request is sent.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        if self.0.scheme() == "https" { Scheme::Https } else { Scheme::Http }
    }

    /// The name or the numeric address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.0.host_str().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }

    /// What stands in the `Host` header: the host, and the port unless it is the scheme's own (RFC 9110 §7.2).
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Path and query, as they stand in a request line.
    #[must_use]
    pub fn path(&self) -> String {
        self.0.query().map_or_else(|| self.0.path().to_owned(), |query| format!("{}?{query}", self.0.path()))
    }

    /// Scheme, host, port and path: what may be written down. The query may be a secret, and is not part of it.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}://{}{}", self.0.scheme(), self.authority(), self.0.path())
    }

    /// How many characters of the URL [`FetchUrl::place`] leaves out.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.as_str().len() - self.place().len()
    }

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for FetchUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.place(), if self.left_out() > 0 { "?…" } else { "" })
    }
}

impl Serialize for FetchUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for FetchUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_web_addresses_pass() {
        for bad in [
            "",
            "example.com",
            "gopher://example.com/",
            "file:///etc/passwd",
            "ftp://example.com/",
            "https://user@example.com/",
            "https://user:secret@example.com/",
            "https://example.com/#part",
            "https://example.com:22/",
            "https://example.com:25/",
            "https://",
            "https://ex ample.com/",
            "https://b\u{fc}cher.example/",
            "unix:/run/x.sock",
        ] {
            assert!(FetchUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_spelling_of_an_address_becomes_the_plain_one() {
        for text in ["http://2130706433/", "http://0x7f.1/", "http://0177.0.0.1/", "http://127.1/"] {
            assert_eq!(FetchUrl::parse(text).expect("it has the form").host(), "127.0.0.1", "{text}");
        }
        let url = FetchUrl::parse("https://[::ffff:127.0.0.1]:8443/a?b=c").expect("it has the form");
        assert_eq!((url.host(), url.port(), url.path().as_str()), ("::ffff:7f00:1", 8443, "/a?b=c"));
        assert_eq!((url.authority().as_str(), url.scheme()), ("[::ffff:7f00:1]:8443", Scheme::Https));
    }

    #[test]
    fn what_may_be_a_secret_is_not_written_down() {
        for (text, place, left_out) in [
            ("https://hooks.example/jeton", "https://hooks.example/jeton", 0),
            ("https://hooks.example", "https://hooks.example/", 0),
            ("https://hooks.example:8443/a/b?token=S3cret&x=1", "https://hooks.example:8443/a/b", 17),
            ("http://[::1]:8080/?", "http://[::1]:8080/", 1),
        ] {
            let url = FetchUrl::parse(text).expect("it has the form");
            assert_eq!((url.place().as_str(), url.left_out()), (place, left_out), "{text}");
            assert!(!format!("{url:?}").contains("S3cret"), "{url:?}");
        }
    }
}
