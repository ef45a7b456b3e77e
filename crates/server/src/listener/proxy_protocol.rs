//! The PROXY protocol says in a connection's first bytes for whom it was made; only peers that the settings name may use it.
//!
//! Both versions of "The PROXY protocol" (haproxy, 2020/03/05) are read. Nothing behind the header is read here.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How version 2 begins (§2.2).
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Longest line of version 1, with its end (§2.1).
const MOST_LINE: usize = 107;
/// Most bytes behind the first sixteen of version 2; addresses take 36, some additions may follow.
const MOST_REST: usize = 2048;

/// Reads the header. `None`: the proxy speaks for itself, for example to see whether this server lives.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut begin = [0; SIGNATURE.len()];
    stream.read_exact(&mut begin).await?;
    if begin != SIGNATURE {
        return line(stream, &begin).await;
    }
    let mut fixed = [0; 4];
    stream.read_exact(&mut fixed).await?;
    let [version_and_command, family, high, low] = fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MOST_REST {
        return Err(no());
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    match (version_and_command, family) {
        // §2.2: LOCAL, whatever the family; PROXY of something that has no address.
        (0x20, _) | (0x21, 0x00) => Ok(None),
        (0x21, 0x11) => {
            let first: [u8; 4] = rest.get(..12).and_then(|all| all[..4].try_into().ok()).ok_or_else(no)?;
            Ok(Some(Ipv4Addr::from(first).into()))
        }
        (0x21, 0x21) => {
            let first: [u8; 16] = rest.get(..36).and_then(|all| all[..16].try_into().ok()).ok_or_else(no)?;
            Ok(Some(Ipv6Addr::from(first).to_canonical()))
        }
        _ => Err(no()),
    }
}

/// Version 1: `PROXY TCP4 192.0.2.1 192.0.2.2 40000 443`, ended by CR LF (§2.1).
async fn line(stream: &mut (impl AsyncRead + Unpin), begin: &[u8]) -> io::Result<Option<IpAddr>> {
    if !begin.starts_with(b"PROXY ") {
        return Err(no());
    }
    let mut line = begin.to_vec();
    // Byte by byte, since what follows belongs to somebody else.
    while !line.ends_with(b"\r\n") {
        if line.len() >= MOST_LINE {
            return Err(no());
        }
        line.push(stream.read_u8().await?);
    }
    let text = std::str::from_utf8(&line[..line.len() - 2]).map_err(|_| no())?;
    let words: Vec<&str> = text.split(' ').collect();
    // §2.1: what follows UNKNOWN must be ignored.
    if words.get(1) == Some(&"UNKNOWN") {
        return Ok(None);
    }
    let ["PROXY", family, from, to, from_port, to_port] = words[..] else { return Err(no()) };
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok();
    let pair: (IpAddr, IpAddr) = (from.parse().map_err(|_| no())?, to.parse().map_err(|_| no())?);
    let fits = match family {
        "TCP4" => pair.0.is_ipv4() && pair.1.is_ipv4(),
        "TCP6" => pair.0.is_ipv6() && pair.1.is_ipv6(),
        _ => false,
    };
    if fits && is_port(from_port) && is_port(to_port) { Ok(Some(pair.0.to_canonical())) } else { Err(no()) }
}

fn no() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "the connection does not begin with a PROXY header")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    #[tokio::test]
    async fn a_header_names_the_source_and_nothing_behind_it_is_taken() {
        let four = [[192, 0, 2, 1], [192, 0, 2, 2], [1, 2, 3, 4]].concat();
        let six = [&Ipv6Addr::LOCALHOST.octets()[..], &Ipv6Addr::LOCALHOST.octets(), &[0; 4], b"more"].concat();
        for (header, source) in [
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65535\r\n".to_vec(), Some("192.0.2.1")),
            (b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n".to_vec(), Some("2001:db8::1")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN a b c d\r\n".to_vec(), None),
            (v2(0x21, 0x11, &four), Some("192.0.2.1")),
            (v2(0x21, 0x21, &six), Some("::1")),
            (v2(0x20, 0x00, b""), None),
        ] {
            let all = [&header[..], b"GET"].concat();
            let mut stream = &all[..];
            let found = read(&mut stream).await.unwrap_or_else(|error| panic!("{error}: {header:?}"));
            assert_eq!(found.map(|address| address.to_string()).as_deref(), source);
            assert_eq!(stream, b"GET");
        }
    }

    #[tokio::test]
    async fn anything_else_is_no_header() {
        let long = format!("PROXY TCP4 192.0.2.1 192.0.2.2 1 2{}\r\n", " ".repeat(100));
        for header in [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n               ".to_vec(),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::1 ::1 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1\r\n".to_vec(),
            b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(),
            long.into_bytes(),
            v2(0x11, 0x11, &[0; 12]),
            v2(0x22, 0x11, &[0; 12]),
            v2(0x21, 0x11, &[0; 11]),
            v2(0x21, 0x12, &[0; 12]),
            v2(0x21, 0x31, &[0; 216]),
            v2(0x21, 0x11, &[0; 2049]),
            v2(0x21, 0x11, &[0; 12])[..20].to_vec(),
        ] {
            assert!(read(&mut &header[..]).await.is_err(), "{header:?}");
        }
    }
}
