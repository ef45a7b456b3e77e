//! The ceiling: what one core can do at most with this HTTP stack and one signature per request.
//!
//! It reads the body of a request, makes one signature or seal, throws it away, and answers a fixed body of the size of a
//! token answer. It checks nothing, looks nothing up, writes no log and has no limits: whatever Jeton costs above it is ours.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, PRAGMA};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jeton_jose::{Algorithm, CompactSigner, SealKey, SigningKey};
use std::convert::Infallible;
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use tokio::net::TcpListener;

const USAGE: &str = "usage: ceiling PORT none|opaque|es256|eddsa|rs256";

/// The one piece of cryptography of a request.
enum Work {
    None,
    Seal(SealKey),
    Sign(CompactSigner),
}

impl Work {
    fn parse(mode: &str) -> Result<Self, Box<dyn Error>> {
        let algorithm = match mode {
            "none" => return Ok(Self::None),
            "opaque" => return Ok(Self::Seal(SealKey::from_bytes([7; 32]))),
            "es256" => Algorithm::Es256,
            "eddsa" => Algorithm::EdDsa,
            "rs256" => Algorithm::Rs256,
            _ => return Err(USAGE.into()),
        };
        let (key, _) = SigningKey::generate(algorithm)?;
        Ok(Self::Sign(CompactSigner::new(Arc::new(key), "at+jwt")))
    }

    /// How long the result is as text.
    fn run(&self) -> usize {
        match self {
            Self::None => 250,
            // The same nonce each time is right here only because the result is thrown away.
            Self::Seal(key) => black_box(key.seal(black_box([1; 12]), b"aad", black_box(&[2; 160]))).len() * 4 / 3 + 4,
            Self::Sign(signer) => signer.sign(black_box(&[b'c'; 300])).map_or(0, |token| black_box(token).len()),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, port, mode] = arguments.as_slice() else {
        return Err(USAGE.into());
    };
    let work = Arc::new(Work::parse(mode)?);
    let token = "t".repeat(work.run());
    let body = Bytes::from(format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":3600,"scope":"read"}}"#));
    let listener = TcpListener::bind(("127.0.0.1", port.parse::<u16>()?)).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let (work, body) = (Arc::clone(&work), body.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&work), body.clone()));
            // A client that goes away ends only its own connection.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, work: Arc<Work>, body: Bytes) -> Result<Response<Full<Bytes>>, Infallible> {
    // A body that breaks off is answered all the same; the driver sends none.
    let read = request.into_body().collect().await.map(|read| read.to_bytes());
    let _ = black_box(read);
    black_box(work.run());
    let mut response = Response::new(Full::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert("x-request-id", HeaderValue::from_static("0123456789abcdef0123456789abcdef"));
    Ok(response)
}
