//! The way to a server: TCP, through the proxy if there is one, and TLS.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tower::ServiceExt;

use crate::model::Secret;

/// A connection, encrypted or not.
pub(super) type Pipe = Box<dyn Stream>;

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Which proxy is used for what, as in the calls' own client: the configured one for everything, else what the environment
/// says (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY` …), except to this very machine.
pub(super) struct Way {
    matcher: Matcher,
    configured: bool,
}

impl Way {
    pub(super) fn new(proxy: Option<&Secret>) -> Self {
        let matcher = match proxy {
            Some(proxy) => Matcher::builder().all(proxy.expose()).build(),
            None => Matcher::from_env(),
        };
        Self { matcher, configured: proxy.is_some() }
    }

    /// Connects to the server of a `ws` or `wss` address. Errors name no credentials: neither part repeats any.
    pub(super) async fn connect(&self, url: &Uri) -> Result<Pipe, String> {
        let host = url.host().ok_or("the gateway's address has no host")?.to_owned();
        let encrypted = match url.scheme_str() {
            Some("wss") => true,
            Some("ws") => false,
            _ => return Err("the gateway's address is no `wss://` one".to_owned()),
        };
        let port = url.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        let scheme = if encrypted { "https" } else { "http" };
        let server = format!("{scheme}://{host}:{port}/").parse::<Uri>().map_err(|error| error.to_string())?;
        let proxy = if self.configured || !is_here(&host) { self.matcher.intercept(&server) } else { None };
        if self.configured && proxy.is_none() {
            // The whole of it must not fail open.
            return Err("the configured proxy cannot be used: it is no address of an HTTP proxy".to_owned());
        }
        let Some(proxy) = proxy else {
            let pipe = reach(&server).await.map_err(|error| format!("cannot connect to {host}: {error}"))?;
            return Ok(pipe);
        };
        let at = proxy.uri().host().unwrap_or_default().to_owned();
        if !matches!(proxy.uri().scheme_str(), Some("http" | "https")) {
            return Err(format!("the proxy at {at} is no HTTP proxy; others are not supported"));
        }
        let connector = tower::service_fn(reach_for_tunnel);
        let mut tunnel = Tunnel::new(proxy.uri().clone(), connector);
        if let Some(credentials) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        let through = |error: String| format!("cannot connect to {host} through the proxy at {at}: {error}");
        let pipe = tunnel.oneshot(server).await.map_err(|error| through(root(&error)))?.into_inner();
        if encrypted { encrypt(&host, pipe).await.map_err(|error| through(error.to_string())) } else { Ok(pipe) }
    }
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Boxed, as the compiler cannot see otherwise that it may move between threads.
fn reach_for_tunnel(uri: Uri) -> BoxFuture<'static, io::Result<TokioIo<Pipe>>> {
    Box::pin(async move { reach(&uri).await.map(TokioIo::new) })
}

/// Straight to an `http` or `https` address.
async fn reach(uri: &Uri) -> io::Result<Pipe> {
    // It tries the addresses of a host side by side: one that swallows everything does not keep us away.
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    let tcp = connector.oneshot(uri.clone()).await.map_err(|error| io::Error::other(root(&error)))?;
    let tcp: Pipe = Box::new(tcp.into_inner());
    match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(host)) => encrypt(host, tcp).await,
        _ => Ok(tcp),
    }
}

async fn encrypt(host: &str, pipe: Pipe) -> io::Result<Pipe> {
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(bare).map_err(io::Error::other)?;
    Ok(Box::new(TlsConnector::from(trust()?).connect(name, pipe).await?))
}

/// Whom to trust: what the system does. Read once, when it is first needed.
fn trust() -> io::Result<Arc<ClientConfig>> {
    static TRUST: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(trust) = TRUST.get() {
        return Ok(Arc::clone(trust));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let made = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(io::Error::other)?
        .with_no_client_auth();
    Ok(Arc::clone(TRUST.get_or_init(|| Arc::new(made))))
}

/// The innermost reason: the outer ones only say that there is one.
pub(super) fn root(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_needs_no_proxy() {
        assert!(["localhost", "127.0.0.1", "127.9.9.9", "[::1]"].iter().all(|host| is_here(host)));
        assert!(
            !["gateway.discord.gg", "10.0.0.1", "[2001:db8::1]", "localhost.example"].iter().any(|host| is_here(host))
        );
    }

    #[tokio::test]
    async fn a_proxy_that_is_none_is_not_passed_by() {
        for proxy in ["socks5://user:s.e.cret@127.0.0.1:1", "ftp://user:s.e.cret@127.0.0.1:1", "s.e.cret at home"] {
            let way = Way::new(Some(&Secret::new(proxy)));
            let error = way.connect(&"wss://gateway.discord.gg".parse().unwrap()).await.err().unwrap();
            assert!(error.contains("HTTP proxy") && !error.contains("s.e.cret"), "{error}");
        }
        let error = Way::new(None).connect(&"https://127.0.0.1:1".parse().unwrap()).await.err().unwrap();
        assert!(error.contains("wss://"), "{error}");
    }

    #[tokio::test]
    async fn what_cannot_be_reached_is_named() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = Way::new(None).connect(&format!("ws://127.0.0.1:{port}").parse().unwrap()).await.err().unwrap();
        assert!(error.starts_with("cannot connect to 127.0.0.1: ") && error.contains("refused"), "{error}");
    }
}
