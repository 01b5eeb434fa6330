//! The CaiGunn client against a scripted server: what goes onto the wire, what comes of every answer.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does: by panicking")]

mod script;
mod tokens;
mod transport;
mod wire;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use caigunn_bridge::caigunn::{Account, Bot, ClientOptions, HttpClient, KeepError, KeptToken, TokenKeep};
use caigunn_bridge::model::Secret;

/// The secrets of these tests; none may ever be shown.
const TOKEN: &str = "tok-one-SECRET";
const RENEWED: &str = "tok-two-SECRET";
const KEY: &str = "key-SECRET";

#[derive(Default)]
struct Keep {
    kept: Mutex<HashMap<String, KeptToken>>,
    broken: bool,
}

#[async_trait]
impl TokenKeep for Keep {
    async fn load(&self, account: &str) -> Result<Option<KeptToken>, KeepError> {
        if self.broken {
            return Err(KeepError("disk full".into()));
        }
        Ok(self.kept.lock().unwrap().get(account).cloned())
    }

    async fn save(&self, account: &str, token: &KeptToken) -> Result<(), KeepError> {
        if self.broken {
            return Err(KeepError("disk full".into()));
        }
        self.kept.lock().unwrap().insert(account.to_owned(), token.clone());
        Ok(())
    }
}

/// Short limits, so that what hangs is noticed soon.
fn options() -> ClientOptions {
    ClientOptions {
        connect_timeout: Duration::from_secs(2),
        first_byte_timeout: Duration::from_secs(4),
        total_timeout: Duration::from_secs(5),
        max_body_bytes: 64 * 1024,
        ..ClientOptions::default()
    }
}

fn http(options: &ClientOptions) -> HttpClient {
    let _ = rustls::crypto::ring::default_provider().install_default();
    HttpClient::new(options).unwrap()
}

async fn account_with(base: &str, token: Option<&str>, options: &ClientOptions, keep: Arc<Keep>) -> Arc<Account> {
    Account::open("main", base, token.map(Secret::new), http(options), keep).await.unwrap()
}

async fn account(base: &str) -> Arc<Account> {
    account_with(base, Some(TOKEN), &options(), Arc::default()).await
}

fn bot(account: &Arc<Account>) -> Bot {
    Bot::new(Arc::clone(account), Secret::new(KEY)).unwrap()
}

/// No secret is in any form in which the value can be shown.
fn assert_no_secret(shown: impl std::fmt::Debug + std::fmt::Display) {
    for text in [format!("{shown}"), format!("{shown:?}"), format!("{shown:#?}")] {
        assert!(!text.contains("SECRET"), "{text}");
    }
}
