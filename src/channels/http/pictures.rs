//! Pictures by URL: named in a message, fetched when its turn comes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::channels::http::config::HttpConfig;
use crate::channels::http::normalize::{Request, Source};
use crate::contract::channel::FetchError;
use crate::http::Problem;
use crate::http::address::Network;
use crate::http::fetch::{Guarded, Refused, System};
use crate::model::MediaRef;
use crate::model::inbound::MediaPlace;

/// How often a picture is asked for whose server fails for a passing reason.
const TRIES: u32 = 3;

/// All tries together. A person waits for the answer, and the messages behind it wait as well: a stranger's server that is
/// down for longer is not worth that.
const PATIENCE: Duration = Duration::from_secs(30);

/// `None`: this channel takes none.
pub(super) struct Pictures(Option<Guarded>);

impl Pictures {
    /// # Errors
    /// What is wrong. It is checked when the section is read.
    pub(super) fn new(config: &HttpConfig) -> Result<Self, String> {
        let networks = config.image_networks.iter().map(|network| network.parse::<Network>()).collect::<Result<_, _>>();
        let networks = networks.map_err(|_| "image_networks names what is no network".to_owned())?;
        Ok(Self(config.image_urls.then(|| Guarded::new(networks, Arc::new(System)))))
    }

    /// Refuses at once what is wrong without any look-up.
    pub(super) fn check(&self, request: &Request) -> Result<(), Problem> {
        for (n, image) in request.images.iter().enumerate() {
            let Source::Url(url) = &image.source else { continue };
            let Some(guarded) = &self.0 else {
                return Err(Problem::invalid(format!("`images[{n}]` is a URL, and this channel takes none"))
                    .hint("Send the picture itself, or ask the operator to set the channel's `image_urls`."));
            };
            guarded
                .check(url)
                .map_err(|why| Problem::invalid(format!("`images[{n}].url` may not be fetched: {why}")))?;
        }
        Ok(())
    }

    /// What is not there soon is gone: see [`PATIENCE`].
    pub(super) async fn fetch(&self, media: &MediaRef, max_bytes: u64) -> Result<Bytes, FetchError> {
        let MediaPlace::Remote(url) = &media.place else {
            return Err(FetchError::Gone("there is nothing to fetch".to_owned()));
        };
        let Some(guarded) = &self.0 else {
            return Err(FetchError::Gone("`image_urls` has been turned off".to_owned()));
        };
        let trying = async {
            let mut tries = 1;
            loop {
                match guarded.fetch(url, max_bytes).await {
                    Err(why) if why.may_pass() && tries < TRIES => {}
                    done => return done,
                }
                tokio::time::sleep(Duration::from_millis(250 << tries)).await;
                tries += 1;
            }
        };
        match tokio::time::timeout(PATIENCE, trying).await.unwrap_or(Err(Refused::Late)) {
            Ok(bytes) => Ok(bytes),
            Err(Refused::TooLarge(max_bytes)) => Err(FetchError::TooLarge { max_bytes }),
            Err(why) => Err(FetchError::Gone(why.to_string())),
        }
    }
}
