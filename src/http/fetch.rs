//! Fetches what strangers name: only from addresses that are public. A name is resolved once, by the very resolver that the
//! connection is made with, so that what was checked is what is called.

use std::error::Error;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::LOCATION;
use reqwest::{Client, Response, Url, redirect, retry};

use crate::http::address::{Network, may_call};

const CONNECT: Duration = Duration::from_secs(5);

/// How long a fetch may take, with all its redirects.
const WHOLE: Duration = Duration::from_secs(20);

const MAX_REDIRECTS: usize = 5;

/// The longest URL, in bytes.
const MAX_URL: usize = 2_048;

/// Why nothing was fetched. No words of it name the URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("it is no URL of at most {MAX_URL} bytes")]
    NoUrl,
    #[error("it is neither http nor https")]
    Scheme,
    #[error("it holds a user name or a password")]
    Credentials,
    /// One wording for all such addresses, whether there is a host or not.
    #[error("its address is not public")]
    Address,
    #[error("its host cannot be resolved")]
    Unknown,
    #[error("it redirects more than {MAX_REDIRECTS} times")]
    Redirects,
    #[error("it redirects to where no redirect may lead: {0}")]
    Redirect(Box<Refused>),
    #[error("it redirects from https to http")]
    Unencrypted,
    #[error("it is answered with {0}")]
    Status(u16),
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    #[error("it did not come in time")]
    Late,
    /// It may be there the next time.
    #[error("{0}")]
    Failed(String),
}

impl Refused {
    /// Whether the same fetch may do better soon.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Status(408 | 425 | 429 | 500..))
    }
}

/// Fetches from public addresses, and from networks that are allowed all the same. No proxy is used: it would resolve the name
/// again, by itself.
pub struct Guarded {
    allowed: Arc<[Network]>,
    resolver: Arc<dyn Resolve>,
    patience: Duration,
    /// Made when it is first needed.
    client: OnceLock<Client>,
}

impl Guarded {
    pub fn new(allowed: Vec<Network>, resolver: Arc<dyn Resolve>) -> Self {
        Self { allowed: allowed.into(), resolver, patience: WHOLE, client: OnceLock::new() }
    }

    /// Reads a URL, and refuses what is wrong with it without any look-up.
    pub fn check(&self, text: &str) -> Result<Url, Refused> {
        if text.len() > MAX_URL {
            return Err(Refused::NoUrl);
        }
        let url = Url::parse(text).map_err(|_| Refused::NoUrl)?;
        self.check_url(&url)?;
        Ok(url)
    }

    fn check_url(&self, url: &Url) -> Result<(), Refused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        // An address is connected to without the resolver. Every spelling of one (decimal, octal, hexadecimal, short) has
        // become its plain form in the URL's parser (<https://url.spec.whatwg.org/#host-parsing>).
        let host = url.host_str().ok_or(Refused::NoUrl)?;
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) if !may_call(address, &self.allowed) => Err(Refused::Address),
            _ => Ok(()),
        }
    }

    /// Reads at most `max_bytes`.
    pub async fn fetch(&self, url: &str, max_bytes: u64) -> Result<Bytes, Refused> {
        let url = self.check(url)?;
        let reading = async { read(self.follow(url).await?, max_bytes).await };
        tokio::time::timeout(self.patience, reading).await.unwrap_or(Err(Refused::Late))
    }

    async fn follow(&self, mut url: Url) -> Result<Response, Refused> {
        for _ in 0..=MAX_REDIRECTS {
            let response = self.client()?.get(url.clone()).send().await.map_err(failed)?;
            match response.status().as_u16() {
                200 => return Ok(response),
                301 | 302 | 303 | 307 | 308 => url = self.next(&url, &response)?,
                status => return Err(Refused::Status(status)),
            }
        }
        Err(Refused::Redirects)
    }

    fn next(&self, from: &Url, response: &Response) -> Result<Url, Refused> {
        let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
        let to = to.filter(|to| to.len() <= MAX_URL).and_then(|to| from.join(to).ok());
        let to = to.ok_or_else(|| Refused::Redirect(Box::new(Refused::NoUrl)))?;
        if from.scheme() == "https" && to.scheme() == "http" {
            return Err(Refused::Unencrypted);
        }
        match self.check_url(&to) {
            Ok(()) => Ok(to),
            // As if it had been named at once: whether a redirect or a name leads there, the wording is one.
            Err(Refused::Address) => Err(Refused::Address),
            Err(why) => Err(Refused::Redirect(Box::new(why))),
        }
    }

    fn client(&self) -> Result<&Client, Refused> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let resolver = Filtered { resolver: Arc::clone(&self.resolver), allowed: Arc::clone(&self.allowed) };
        let made = Client::builder()
            .user_agent(concat!("caigunn-bridge/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            // Every hop is resolved and checked anew.
            .pool_max_idle_per_host(0)
            .http1_only()
            .no_proxy()
            .referer(false)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .dns_resolver(Arc::new(resolver))
            .build()
            .map_err(|error| Refused::Failed(error.without_url().to_string()))?;
        Ok(self.client.get_or_init(|| made))
    }
}

async fn read(mut response: Response, max_bytes: u64) -> Result<Bytes, Refused> {
    if response.content_length().is_some_and(|bytes| bytes > max_bytes) {
        return Err(Refused::TooLarge(max_bytes));
    }
    let mut bytes = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if (bytes.len() + chunk.len()) as u64 > max_bytes {
            return Err(Refused::TooLarge(max_bytes));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// What the resolver has said is somewhere among the causes.
fn failed(error: reqwest::Error) -> Refused {
    if error.is_timeout() {
        return Refused::Late;
    }
    let error = error.without_url();
    let mut cause: &dyn Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
        if let Some(refused) = cause.downcast_ref::<Refused>() {
            return refused.clone();
        }
    }
    Refused::Failed(cause.to_string())
}

/// The resolver that connections are made with: of a name that has any address which may not be called, it tells none.
struct Filtered {
    resolver: Arc<dyn Resolve>,
    allowed: Arc<[Network]>,
}

impl Resolve for Filtered {
    fn resolve(&self, name: Name) -> Resolving {
        let (looking, allowed) = (self.resolver.resolve(name), Arc::clone(&self.allowed));
        Box::pin(async move {
            let found: Vec<_> = looking.await.map_err(|_| Refused::Unknown)?.collect();
            if found.is_empty() {
                return Err(Refused::Unknown.into());
            }
            if !found.iter().all(|found| may_call(found.ip(), &allowed)) {
                return Err(Refused::Address.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The machine's own resolver.
pub struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
