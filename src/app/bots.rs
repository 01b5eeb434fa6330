//! Opens the accounts and their bots.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::Notify;

use crate::app::rules;
use crate::app::tokens::StoreKeep;
use crate::caigunn::{self, Account, HttpClient};
use crate::config::Config;
use crate::contract::Store;
use crate::model::BotName;
use crate::pipeline::BotRuntime;
use crate::pipeline::bots::Bots;

/// What could be opened, and why the rest could not.
pub(crate) struct Opened {
    pub(crate) accounts: BTreeMap<String, Arc<Account>>,
    /// Accounts that could not be opened.
    pub(crate) unusable: BTreeMap<String, String>,
    pub(crate) bots: Arc<Bots>,
    pub(crate) broken: BTreeMap<String, String>,
}

/// Opens every account and bot. One that cannot be opened (an unusable proxy, a key that no header can carry) stops no
/// other.
pub(crate) async fn open(config: &Config, store: &Arc<dyn Store>, gates: &Arc<Notify>) -> Opened {
    let mut accounts = BTreeMap::new();
    let mut broken = BTreeMap::new();
    let mut unusable = BTreeMap::new();
    for (name, section) in &config.accounts {
        match open_account(name, section, store).await {
            Ok(account) => {
                accounts.insert(name.clone(), account);
            }
            Err(error) => {
                tracing::error!(account = %name, %error, "the account cannot be used");
                unusable.insert(name.clone(), error.to_string());
            }
        }
    }
    let mut bots = HashMap::new();
    for (name, section) in &config.bots {
        let Some(account) = accounts.get(&section.account) else {
            let why = unusable.get(&section.account).cloned().unwrap_or_else(|| "its account is missing".to_owned());
            broken.insert(name.clone(), format!("account {}: {why}", section.account));
            continue;
        };
        match caigunn::Bot::new(Arc::clone(account), section.api_key.clone()) {
            Ok(client) => {
                let name = BotName::new(name.as_str());
                let bot = BotRuntime::new(name.clone(), client, rules::breaker(config), Arc::clone(gates));
                bots.insert(name, bot);
            }
            Err(error) => {
                tracing::error!(bot = %name, %error, "the bot cannot be used");
                broken.insert(name.clone(), error.to_string());
            }
        }
    }
    Opened { accounts, unusable, bots: Arc::new(Bots::new(bots)), broken }
}

pub(crate) async fn open_account(
    name: &str,
    section: &crate::config::Account,
    store: &Arc<dyn Store>,
) -> Result<Arc<Account>, caigunn::Error> {
    let client = HttpClient::new(&rules::client_options(section))?;
    let keep = Arc::new(StoreKeep(Arc::clone(store)));
    Account::open(name, &section.base_url, section.access_token.clone(), client, keep).await
}
