//! `healthcheck`: asks a running bridge how it is, for containers that have neither a shell nor curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::cli::output::Output;
use crate::cli::{ConfigFile, Exit};
use crate::config::{Sources, listener};

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    /// Where to ask; without it, `/healthz` of the listener in the configuration. Plain http.
    #[arg(long, value_name = "URL")]
    url: Option<Uri>,
}

/// How long an answer may take. Below the time-outs that container engines have for the whole command.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The largest part of an answer that is read.
const MAX_ANSWER: usize = 64 << 10;

/// Answers [`Exit::Ok`] or [`Exit::Failure`] and nothing else: container engines keep the other codes to themselves.
pub(super) async fn run(args: Args) -> Exit {
    let found = match args.url {
        Some(url) => Ok((url, true)),
        None => configured(args.file.config),
    };
    let said = match found {
        Ok((url, health)) => ask(url, health).await,
        Err(why) => Err(why),
    };
    match said {
        Ok(said) => {
            Output::line(&said);
            Exit::Ok
        }
        Err(why) => {
            // Where an engine keeps what the check said, it is from standard output.
            Output::line(&format!("unhealthy: {why}"));
            Exit::Failure
        }
    }
}

fn configured(file: Option<PathBuf>) -> Result<(Uri, bool), String> {
    let listener = listener(&Sources::of_process(file))?;
    let addr = reachable(listener.addr);
    if addr.port() == 0 {
        return Err("`server.listen` has port 0, which takes any: name the address with --url".to_owned());
    }
    let url = format!("http://{addr}/healthz").parse().map_err(|_| format!("{addr} makes no URL"))?;
    Ok((url, listener.health))
}

/// From where every address is listened on, its own machine's.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

/// One line of words. With `health` off there is no page to read: that anything answers is then all there is to know.
async fn ask(url: Uri, health: bool) -> Result<String, String> {
    if url.scheme_str() != Some("http") || url.host().is_none() {
        return Err(format!("{url} is no http:// address"));
    }
    let request = Request::get(url.clone()).body(Body::empty()).map_err(|error| error.to_string())?;
    // No proxy of the environment: the bridge is asked, not somebody else about it.
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let asked = async {
        let response = client.request(request).await.map_err(|error| match std::error::Error::source(&error) {
            Some(cause) => format!("{url}: {cause}"),
            None => format!("{url}: {error}"),
        })?;
        let status = response.status();
        let body = axum::body::to_bytes(Body::new(response.into_body()), MAX_ANSWER).await;
        Ok::<_, String>((status, body.unwrap_or_default()))
    };
    let (status, body) = tokio::time::timeout(TIMEOUT, asked)
        .await
        .map_err(|_| format!("{url}: no answer within {} s", TIMEOUT.as_secs()))??;
    match status {
        StatusCode::OK => Ok("healthy".to_owned()),
        StatusCode::NOT_FOUND if !health => Ok("it answers (`server.health` is off: more cannot be asked)".to_owned()),
        status => Err(reasons(&body).unwrap_or_else(|| format!("{url} answers {status}"))),
    }
}

fn reasons(body: &[u8]) -> Option<String> {
    let page: serde_json::Value = serde_json::from_slice(body).ok()?;
    let reasons: Vec<&str> = page["reasons"].as_array()?.iter().filter_map(|reason| reason.as_str()).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

#[cfg(test)]
mod tests {
    use super::{ask, reachable};

    #[test]
    fn a_listener_on_every_address_is_asked_on_its_own_machine() {
        for (listen, asked) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("10.1.2.3:80", "10.1.2.3:80"),
            ("[2001:db8::1]:80", "[2001:db8::1]:80"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), asked);
        }
    }

    #[tokio::test]
    async fn only_plain_http_is_asked() {
        for url in ["https://127.0.0.1/healthz", "/healthz", "ftp://127.0.0.1/"] {
            assert!(ask(url.parse().unwrap(), true).await.unwrap_err().contains("no http://"), "{url}");
        }
    }
}
