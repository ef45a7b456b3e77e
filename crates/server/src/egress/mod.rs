//! Egress is the one way out: every request that we send to an address of somebody else leaves here, under the same rules.
//!
//! The name is resolved here, every address that it has is judged, and the connection goes to exactly an address that was judged;
//! there are no redirects, no proxies, no retries, and a bound on time and size. An architecture test forbids other clients.

mod address;

use address::is_public;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use jeton_core::name::{FetchUrl, Scheme};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long a name may take to be resolved, and a connection to be made, each.
const CONNECT: Duration = Duration::from_secs(5);
/// How long all of it may take.
const WHOLE: Duration = Duration::from_secs(15);
/// Most bytes of an answer that are read.
const MOST_BYTES: usize = 64 << 10;

/// Where an address may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// On the public internet, through TLS.
    Public,
    /// On this machine, and nowhere else.
    Loopback,
}

/// Why nothing was sent, or no answer came: one sentence without a byte of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EgressError {
    /// The URL is not https.
    Plain,
    /// The name has no address.
    Unknown,
    /// An address of the name lies where it may not.
    Forbidden,
    /// No connection.
    Unreachable,
    /// The certificate is not good for this name, or TLS is not spoken there.
    Untrusted,
    /// The answer is no HTTP, or ended early.
    Broken,
    /// It took too long.
    Late,
}

impl fmt::Display for EgressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "the URL is not https",
            Self::Unknown => "the host name cannot be resolved",
            Self::Forbidden => "the host is at an address that may not be reached: private, local or reserved",
            Self::Unreachable => "no connection could be made",
            Self::Untrusted => "TLS failed: the system does not trust the certificate, or it is for another name",
            Self::Broken => "the answer was cut off or is not HTTP",
            Self::Late => "no answer within 15 seconds",
        })
    }
}

/// The way out.
#[derive(Clone)]
pub struct Egress {
    tls: TlsConnector,
}

impl Egress {
    /// Trusts whom the operating system trusts.
    pub fn new() -> Self {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (trusted, _) = roots.add_parsable_certificates(found.certs);
        if trusted == 0 {
            tracing::warn!("the system trusts no certificate authority; https to others will fail (on Debian: ca-certificates)");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        // The provider is built in and has cipher suites for both versions.
        let builder = versions.expect("the provider speaks TLS 1.2 and 1.3");
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Self { tls: TlsConnector::from(Arc::new(config)) }
    }

    /// Sends a JSON document. The status is answered; what the answer says is read to its end or bound, and thrown away.
    pub async fn post(&self, url: &FetchUrl, ground: Ground, headers: HeaderMap, body: Bytes) -> Result<StatusCode, EgressError> {
        timeout(WHOLE, self.post_now(url, ground, headers, body)).await.unwrap_or(Err(EgressError::Late))
    }

    async fn post_now(&self, url: &FetchUrl, ground: Ground, headers: HeaderMap, body: Bytes) -> Result<StatusCode, EgressError> {
        if ground == Ground::Public && url.scheme() == Scheme::Http {
            return Err(EgressError::Plain);
        }
        let addresses = resolve(url, ground).await?;
        let stream = connect(&addresses).await?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.path().parse().map_err(|_| EgressError::Broken)?;
        *request.headers_mut() = headers;
        let host = HeaderValue::from_str(&url.authority()).map_err(|_| EgressError::Broken)?;
        request.headers_mut().insert(header::HOST, host);
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(concat!("jeton/", env!("CARGO_PKG_VERSION"))));
        match url.scheme() {
            Scheme::Http => exchange(stream, request).await,
            Scheme::Https => {
                let name = ServerName::try_from(url.host().to_owned()).map_err(|_| EgressError::Unknown)?;
                let secured = timeout(CONNECT, self.tls.connect(name, stream)).await.map_err(|_| EgressError::Late)?;
                exchange(secured.map_err(|_| EgressError::Untrusted)?, request).await
            }
        }
    }
}

/// The addresses that may be connected to. Every address of the name must be allowed: a name with one public and one private
/// address is not let through by luck.
async fn resolve(url: &FetchUrl, ground: Ground) -> Result<Vec<SocketAddr>, EgressError> {
    let found = timeout(CONNECT, tokio::net::lookup_host((url.host(), url.port()))).await.map_err(|_| EgressError::Late)?;
    let addresses: Vec<SocketAddr> = found.map_err(|_| EgressError::Unknown)?.collect();
    let may = |address: &SocketAddr| match ground {
        Ground::Public => is_public(address.ip()),
        Ground::Loopback => is_loopback(address.ip()),
    };
    if !addresses.iter().all(may) {
        return Err(EgressError::Forbidden);
    }
    Ok(addresses)
}

/// Tries one after the other: this machine may have no way to the first, an IPv6 address for example.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, EgressError> {
    let mut failure = EgressError::Unknown;
    for address in addresses {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(_)) => failure = EgressError::Unreachable,
            Err(_) => failure = EgressError::Late,
        }
    }
    Err(failure)
}

fn is_loopback(address: IpAddr) -> bool {
    address.is_loopback()
}

/// One request and its answer on a connection of its own.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<StatusCode, EgressError> {
    let builder = hyper::client::conn::http1::Builder::new();
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| EgressError::Broken)?;
    let driven = AbortOnDrop(tokio::spawn(async move { drop(connection.await) }));
    let response = sender.send_request(request).await.map_err(|_| EgressError::Broken)?;
    let status = response.status();
    // A receiver that says more than it should is not listened to; its status counts.
    let _ = Limited::new(response.into_body(), MOST_BYTES).collect().await;
    drop(driven);
    Ok(status)
}

/// The connection ends with the exchange, also when that was given up.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests;
