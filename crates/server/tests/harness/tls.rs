//! A client of TLS that trusts one certificate, and HTTP/2 in plain frames on top of it.

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An encrypted connection.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// How long a handshake or a read may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client that trusts these certificates and offers this protocol.
pub fn trusting(certificates: &[&CertificateDer<'static>], protocol: &[u8]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add((*certificate).clone()).expect("a trust anchor");
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let mut config = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    config.enable_early_data = true;
    Arc::new(config)
}

/// Connects and shakes hands.
pub fn connect(to: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Stream> {
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    let socket = TcpStream::connect_timeout(&to, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    let mut stream = StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// Writes one request of HTTP/1.1 and reads until the end of the connection, or until `enough` bytes match.
pub fn exchange(stream: &mut Stream, request: &[u8], enough: impl Fn(&str) -> bool) -> io::Result<String> {
    stream.write_all(request)?;
    let (mut all, mut part) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut part) {
            Ok(0) => return Ok(String::from_utf8_lossy(&all).into_owned()),
            Ok(count) => all.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(String::from_utf8_lossy(&all).into_owned()),
            Err(error) => return Err(error),
        }
        let text = String::from_utf8_lossy(&all);
        if enough(&text) {
            return Ok(text.into_owned());
        }
    }
}

/// Types of frames (RFC 9113 §6).
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// What a client says first (RFC 9113 §3.4), with these settings.
pub fn preface(settings: &[u8]) -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, settings)].concat()
}

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let head = [(length >> 16) as u8, (length >> 8) as u8, length as u8, kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

/// Fields as plain literals (RFC 7541 §6.2.2).
pub fn fields(list: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in list {
        out.push(0);
        for text in [name, value] {
            let mut length = text.len();
            if length < 127 {
                out.push(length as u8);
            } else {
                out.push(127);
                length -= 127;
                while length >= 128 {
                    out.push((length % 128 + 128) as u8);
                    length /= 128;
                }
                out.push(length as u8);
            }
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

/// A request without a body.
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    let block = fields(&[(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", path)]);
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block)
}

/// A frame that came.
#[derive(Debug)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// The next frame; nothing when the connection has ended.
pub fn next(stream: &mut Stream) -> Option<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let [high, middle, low, kind, flags, id @ ..] = head;
    let mut payload = vec![0; usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)];
    stream.read_exact(&mut payload).ok()?;
    Some(Frame { kind, flags, stream: u32::from_be_bytes(id), payload })
}

/// Whether the answer on this stream is a 200 (RFC 7541 appendix A, index 8), read to its end.
pub fn is_ok(stream: &mut Stream, id: u32) -> bool {
    let mut ok = false;
    while let Some(frame) = next(stream) {
        if frame.stream == id && frame.kind == HEADERS {
            ok = frame.payload.first() == Some(&0x88);
        }
        if frame.stream == id && (frame.kind == RST_STREAM || frame.flags & END_STREAM != 0) {
            return ok;
        }
    }
    false
}

/// Reads until the server ends the connection or says that it will; how long that took.
pub fn until_gone(stream: &mut Stream) -> Duration {
    let began = Instant::now();
    while let Some(frame) = next(stream) {
        if frame.kind == GOAWAY {
            break;
        }
    }
    began.elapsed()
}
