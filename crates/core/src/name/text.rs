//! Short texts with a grammar of their own: realm names, client ids, issuers, titles.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, sync::Arc};

/// Why a text is not a name of its kind: one constant sentence for the person who wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameError(pub &'static str);

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for NameError {}

macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident, $sentence:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the grammar.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.into())) } else { Err(NameError($sentence)) }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

text_name!(
    /// The name of a realm in commands and URLs: lower-case letters, digits and hyphens, 1 to 63 characters.
    RealmName,
    "a realm name is 1 to 63 lower-case letters, digits and hyphens, and starts with a letter or digit",
    |text| (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
);

text_name!(
    /// A client identifier: `*VSCHAR` (RFC 6749 §A.1), here 1 to 128 characters without space.
    ClientId,
    "a client id is 1 to 128 visible ASCII characters without a space",
    |text| (1..=128).contains(&text.len()) && text.bytes().all(|b| (0x21..=0x7E).contains(&b))
);

text_name!(
    /// An issuer identifier (RFC 8414 §2): an http or https URL without query or fragment. Its bytes are compared exactly.
    Issuer,
    "an issuer is an http or https URL without query, fragment or user information",
    |text| text.len() <= 512
        && text.bytes().all(|b| (0x21..=0x7E).contains(&b))
        && url::Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.host_str().is_some()
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        })
);

text_name!(
    /// A page for people: an http or https URL that can stand in a `Link` header (RFC 8288 §3).
    HelpPage,
    "a page is an http or https URL of at most 512 characters, without spaces, quotes and angle brackets",
    |text| text.len() <= 512
        && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"'))
        && url::Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.host_str().is_some() && url.username().is_empty()
        })
);

text_name!(
    /// The identifier of a resource server: what stands in `aud` and what clients ask for. It is never its address.
    ResourceIdentifier,
    "a resource identifier is 1 to 256 visible ASCII characters without space, quote or backslash",
    |text| (1..=256).contains(&text.len()) && text.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
);

text_name!(
    /// A short name inside its owner: of a secret, an API key, an environment.
    Label,
    "a name is 1 to 64 letters, digits, dots, hyphens and underscores",
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
);

text_name!(
    /// A text for people, one line, 1 to 200 bytes, without control or direction-changing characters.
    Title,
    "a title is one line of 1 to 200 bytes without control or direction-changing characters",
    |text| (1..=200).contains(&text.len())
        && !text.chars().any(|c| {
            c.is_control()
                || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
        })
);

text_name!(
    /// The id that stands in the log, in the journal and in the answer of one request.
    RequestId,
    "a request id is 16 to 64 letters, digits and hyphens",
    |text| (16..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
);

text_name!(
    /// The origin of a web page as browsers send it (RFC 6454 §6.2): scheme, host, and port unless it is the scheme's own. Plain
    /// http only from the machine itself.
    WebOrigin,
    "a web origin is https://host or https://host:port in lower case, without a path; http only for localhost, 127.0.0.1 and [::1]",
    |text| text.len() <= 300
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b':' | b'/' | b'[' | b']'))
        && url::Url::parse(text).is_ok_and(|url| {
            let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
            (url.scheme() == "https" || (url.scheme() == "http" && is_local)) && url.origin().ascii_serialization() == text
        })
);

/// Where a realm answers: at a host, below a path, or both. The path has no trailing slash; an empty one is the root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "MountText")]
pub struct Mount {
    /// Lower-case host, with `:port` unless it is the scheme's own; `None` answers at every host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Base path, `""` or `/segments`.
    pub path: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MountText {
    host: Option<String>,
    #[serde(default)]
    path: String,
}

impl TryFrom<MountText> for Mount {
    type Error = NameError;

    fn try_from(text: MountText) -> Result<Self, NameError> {
        Self::new(text.host.as_deref(), &text.path)
    }
}

impl Mount {
    /// Checks host and path: a host in lower case, a path of plain segments.
    pub fn new(host: Option<&str>, path: &str) -> Result<Self, NameError> {
        let host_byte = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b':' | b'[' | b']');
        if host.is_some_and(|host| host.is_empty() || host.len() > 255 || !host.bytes().all(host_byte)) {
            return Err(NameError("a mount's host is a lower-case host name, with :port where it has one"));
        }
        let plain = |segment: &str| {
            // Below /.well-known stand the documents of every realm of the host (RFC 8414 §3.1).
            !matches!(segment, "" | "." | ".." | ".well-known")
                && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
        };
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments = path.strip_prefix('/').map(|rest| rest.split('/').all(plain));
        if path.len() > 255 || (!path.is_empty() && segments != Some(true)) {
            return Err(NameError("a mount's path is empty or /plain/segments"));
        }
        Ok(Self { host: host.map(str::to_owned), path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_keeps_its_grammar() {
        assert!(RealmName::parse("acme-prod").is_ok());
        for bad in ["", "-a", "A", "a/b", "a%2f", ".well-known", "ä"] {
            assert!(RealmName::parse(bad).is_err(), "{bad}");
        }
        assert!(ClientId::parse("sheila.thomas").is_ok());
        assert!(ClientId::parse("a b").is_err());
        assert!(Issuer::parse("https://auth.example/oidc/").is_ok());
        for bad in ["https://a/?q", "https://a/#f", "ftp://a", "https://u@a", "a"] {
            assert!(Issuer::parse(bad).is_err(), "{bad}");
        }
        for good in [
            "https://app.example",
            "https://app.example:8443",
            "http://localhost:5173",
            "http://[::1]",
            "https://xn--bcher-kva.example",
        ] {
            assert!(WebOrigin::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "null",
            "*",
            "https://app.example/",
            "https://App.example",
            "https://app.example:443",
            "http://app.example",
            "https://*.example",
            "https://u@app.example",
            "https://bücher.example",
            "app.example",
            "file://",
        ] {
            assert!(WebOrigin::parse(bad).is_err(), "{bad}");
        }
        assert!(Title::parse("Dash API").is_ok());
        assert!(Title::parse("evil\u{202E}").is_err());
    }

    #[test]
    fn a_mount_has_a_plain_path() {
        assert_eq!(Mount::new(Some("auth.example:8080"), "/oidc/").map(|m| m.path).as_deref(), Ok("/oidc"));
        for bad in ["oidc", "/a//b", "/../a", "/a?b", "/%61", "/.well-known", "/a/.well-known"] {
            assert!(Mount::new(None, bad).is_err(), "{bad}");
        }
        assert!(Mount::new(Some("Example.com"), "").is_err());
    }
}
