//! What calls go through: the proxies that the environment and the sections name. Shown without their credentials.

use std::time::Duration;

use reqwest::Url;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Leg, Look};
use crate::config::Config;

/// What HTTP clients take proxies from; the small letters win, as they do there.
const VARIABLES: [&str; 6] = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/// How long a proxy may take to accept a connection.
const SOON: Duration = Duration::from_secs(5);

pub(super) async fn look(config: &Config, online: bool) -> Vec<Look> {
    let mut looks = Vec::new();
    for (address, named_by) in named(config) {
        let named_by = named_by.join(", ");
        looks.push(match address {
            Err(()) => Look::wrong(
                Leg::Proxy,
                format!("proxy: what {named_by} names is no address of a proxy"),
                "write it as http://host:port, with user:password@ before the host where needed",
            ),
            Ok(address) if online => reach(&address, &named_by).await,
            Ok(address) => Look::ok(Leg::Proxy, format!("proxy {address}: named by {named_by}")),
        });
    }
    looks
}

async fn reach(address: &str, named_by: &str) -> Look {
    let why = match timeout(SOON, TcpStream::connect(address)).await {
        Ok(Ok(_)) => {
            return Look::ok(Leg::Proxy, format!("proxy {address}: accepts connections (named by {named_by})"));
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no connection within {} s", SOON.as_secs()),
    };
    Look::wrong(
        Leg::Proxy,
        format!("proxy {address}: {why} (named by {named_by})"),
        "is it the right one, and does it run? `NO_PROXY` lists the hosts that need none",
    )
}

/// Every proxy as `host:port`, with who names it, in the order in which they are named; `Err` for what is none.
fn named(config: &Config) -> Vec<(Result<String, ()>, Vec<String>)> {
    let from_env = VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    let of_accounts = config.accounts.iter().filter_map(|(name, account)| {
        Some((format!("accounts.{name}.proxy"), account.proxy.as_ref()?.expose().to_owned()))
    });
    let of_channels = config.channels.iter().filter_map(|(id, channel)| {
        Some((format!("channels.{id}.proxy"), channel.own.values().get("proxy")?.as_str()?.to_owned()))
    });
    let mut proxies: Vec<(_, Vec<String>)> = Vec::new();
    for (named_by, url) in from_env.chain(of_accounts).chain(of_channels).filter(|(_, url)| !url.is_empty()) {
        let address = address(&url);
        match proxies.iter_mut().find(|(known, _)| *known == address) {
            Some((_, names)) => names.push(named_by),
            None => proxies.push((address, vec![named_by])),
        }
    }
    proxies
}

/// Host and port alone.
fn address(url: &str) -> Result<String, ()> {
    let whole = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let url = Url::parse(&whole).map_err(|_| ())?;
    let host = url.host_str().ok_or(())?;
    // A proxy that speaks SOCKS has a usual port of its own.
    let port = url.port_or_known_default().unwrap_or(1080);
    Ok(format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn an_address_is_told_without_its_credentials() {
        for (url, told) in [
            ("http://ann:hunter2@proxy.example:3128", "proxy.example:3128"),
            ("proxy.example:3128", "proxy.example:3128"),
            ("https://ann@proxy.example/", "proxy.example:443"),
            ("socks5://[::1]", "[::1]:1080"),
        ] {
            assert_eq!(address(url).as_deref(), Ok(told));
        }
        assert_eq!(address("http://"), Err(()));
    }
}
