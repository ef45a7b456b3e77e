//! The source of a request is the peer of its connection, unless a trusted proxy names somebody else.
//!
//! Only `X-Forwarded-For` is read, and only from networks that the settings name. It is read from its end, where the nearest
//! proxy wrote: the first address that is no trusted proxy is the source. Whatever stands before it, a client may have invented.

use http::HeaderMap;
use ipnet::IpNet;
use std::net::IpAddr;

/// The header that is read. The standard's `Forwarded` (RFC 7239) is not: a proxy that knows only one of two headers passes the
/// other one on as the client sent it.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// Most proxies in a row that are believed.
const MOST_HOPS: usize = 16;

/// The networks whose word about a request's source counts.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    forwarding: Vec<IpNet>,
    announcing: Vec<IpNet>,
}

impl TrustedProxies {
    /// Networks or addresses with commas between them; `proxy:` before one marks peers that begin with a PROXY header.
    pub fn parse(text: &str) -> Option<Self> {
        let mut proxies = Self::default();
        for entry in text.split(',').map(str::trim).filter(|_| !text.trim().is_empty()) {
            let (list, network) = match entry.strip_prefix("proxy:") {
                Some(network) => (&mut proxies.announcing, network),
                None => (&mut proxies.forwarding, entry),
            };
            let network = network.parse().ok().or_else(|| network.parse::<IpAddr>().ok().map(IpNet::from))?;
            list.push(network);
        }
        Some(proxies)
    }

    /// Whether connections of this peer begin with a PROXY header.
    pub fn announces(&self, peer: IpAddr) -> bool {
        self.announcing.iter().any(|network| network.contains(&peer))
    }

    /// Who asks.
    pub fn source(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.forwards(peer) {
            return peer;
        }
        let fields = headers.get_all(FORWARDED_FOR).iter();
        let named: Vec<&[u8]> = fields.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).collect();
        let mut source = peer;
        for name in named.into_iter().rev().take(MOST_HOPS) {
            // What is no address says nothing, and nothing that stands before it was written by somebody known.
            let name = std::str::from_utf8(name).unwrap_or_default();
            let Some(address) = address(name.trim()) else { return source };
            source = address;
            if !self.forwards(source) {
                return source;
            }
        }
        source
    }

    fn forwards(&self, peer: IpAddr) -> bool {
        self.forwarding.iter().any(|network| network.contains(&peer))
    }
}

/// An address, as some proxies write it with a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let plain = bare.unwrap_or(text).parse::<IpAddr>().ok();
    plain.or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip())).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_names_the_source() {
        let proxies = TrustedProxies::parse("10.0.0.0/8, 2001:db8::/32,192.0.2.9").expect("networks");
        for (peer, fields, source) in [
            ("198.51.100.1", &["203.0.113.5"][..], "198.51.100.1"),
            ("10.1.1.1", &[], "10.1.1.1"),
            ("10.1.1.1", &["203.0.113.5"], "203.0.113.5"),
            ("10.1.1.1", &["1.1.1.1, 203.0.113.5"], "203.0.113.5"),
            ("10.1.1.1", &["1.1.1.1", "203.0.113.5"], "203.0.113.5"),
            ("10.1.1.1", &["203.0.113.5, 10.2.2.2,192.0.2.9"], "203.0.113.5"),
            ("10.1.1.1", &["203.0.113.5, unknown"], "10.1.1.1"),
            ("10.1.1.1", &["unknown, 10.2.2.2"], "10.2.2.2"),
            ("10.1.1.1", &["203.0.113.5:4711"], "203.0.113.5"),
            // What a client put before it in bytes that are no text hides neither the address behind it nor itself.
            ("10.1.1.1", &["1.1.1.1", "\u{e9}, 203.0.113.5"], "203.0.113.5"),
            ("10.1.1.1", &["1.1.1.1", "\u{e9}"], "10.1.1.1"),
            ("2001:db8::1", &["[2001:4860::5]:80"], "2001:4860::5"),
            ("2001:db8::1", &["::ffff:203.0.113.5"], "203.0.113.5"),
        ] {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(FORWARDED_FOR, http::HeaderValue::from_bytes(field.as_bytes()).expect("a value"));
            }
            headers.append("forwarded", "for=1.2.3.4".parse().expect("a value"));
            headers.append("x-real-ip", "1.2.3.4".parse().expect("a value"));
            let found = proxies.source(peer.parse().expect("an address"), &headers);
            assert_eq!(found.to_string(), source, "{peer} {fields:?}");
        }
    }

    #[test]
    fn a_list_is_understood_as_a_whole_or_not_at_all() {
        let proxies = TrustedProxies::parse("proxy:10.0.0.0/8").expect("a network");
        let peer = "10.0.0.1".parse().expect("an address");
        assert!(proxies.announces(peer) && !proxies.forwards(peer));
        assert!(TrustedProxies::parse("").is_some());
        for text in ["10.0.0.0/8,", "x", "10.0.0.0/33", "proxy:", "PROXY:10.0.0.0/8"] {
            assert!(TrustedProxies::parse(text).is_none(), "{text}");
        }
    }
}
