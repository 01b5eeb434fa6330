//! What differs between two configurations, section by section. Pure. Each section is taken apart by name, so that a new key
//! must be given a place here.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::config::{Account, Bot, Channel, Config};
use crate::model::Secret;

/// What is to be done about an account that was there before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AccountDiff {
    /// It is reached another way, or has lost its token: it is opened anew.
    pub(super) rebuilt: bool,
    /// It has another token.
    pub(super) token: bool,
    /// It is refreshed at other times.
    pub(super) times: bool,
}

pub(super) fn account(old: &Account, new: &Account) -> AccountDiff {
    let Account {
        access_token,
        base_url,
        connect_timeout,
        first_byte_timeout,
        total_timeout,
        proxy,
        refresh_every,
        refresh_jitter,
    } = old;
    let lost = access_token.is_some() && new.access_token.is_none();
    AccountDiff {
        rebuilt: lost
            || *base_url != new.base_url
            || *connect_timeout != new.connect_timeout
            || *first_byte_timeout != new.first_byte_timeout
            || *total_timeout != new.total_timeout
            || !same_secret(proxy.as_ref(), new.proxy.as_ref()),
        token: !same_secret(access_token.as_ref(), new.access_token.as_ref()),
        times: *refresh_every != new.refresh_every || *refresh_jitter != new.refresh_jitter,
    }
}

/// Whether a bot has the same key and belongs to the same account.
pub(super) fn same_bot(old: &Bot, new: &Bot) -> bool {
    let Bot { account, api_key } = old;
    *account == new.account && same_secret(Some(api_key), Some(&new.api_key))
}

/// Whether all is the same but who is let in, which needs no other channel.
pub(super) fn same_channel(old: &Channel, new: &Channel) -> bool {
    let Channel { kind, bot, enabled, scope, uid_template, language, max_age, access: _, own } = old;
    *kind == new.kind
        && *bot == new.bot
        && *enabled == new.enabled
        && *scope == new.scope
        && *uid_template == new.uid_template
        && *language == new.language
        && *max_age == new.max_age
        && own.values() == new.own.values()
}

pub(super) fn same_access(old: &Channel, new: &Channel) -> bool {
    tree(&old.access) == tree(&new.access)
}

pub(super) fn same_texts(old: &Config, new: &Config) -> bool {
    tree(&old.texts) == tree(&new.texts)
}

/// The keys that have another value and come into force at a restart only.
pub(super) fn needs_restart(old: &Config, new: &Config) -> Vec<String> {
    let Config { accounts: _, bots: _, channels: _, texts: _, server, store, pipeline, identity, log } = old;
    let mut keys = Vec::new();
    differing("server", &tree(server), &tree(&new.server), &mut keys);
    differing("store", &tree(store), &tree(&new.store), &mut keys);
    differing("pipeline", &tree(pipeline), &tree(&new.pipeline), &mut keys);
    differing("log", &tree(log), &tree(&new.log), &mut keys);
    if !same_secret(identity.uid_hash_key.as_ref(), new.identity.uid_hash_key.as_ref()) {
        keys.push("identity.uid_hash_key".to_owned());
    }
    keys
}

/// The new configuration with what needs a restart as it is in force.
pub(super) fn in_force(old: &Config, new: Config) -> Config {
    let Config { accounts, bots, channels, texts, .. } = new;
    Config { accounts, bots, channels, texts, ..old.clone() }
}

/// The names of a table that were there before, are there now, or both.
pub(super) fn names<'a, T>(old: &'a BTreeMap<String, T>, new: &'a BTreeMap<String, T>) -> Vec<&'a String> {
    let added = new.keys().filter(|name| !old.contains_key(*name));
    old.keys().chain(added).collect()
}

fn same_secret(old: Option<&Secret>, new: Option<&Secret>) -> bool {
    old.map(Secret::expose) == new.map(Secret::expose)
}

/// A section without its secrets.
fn tree<T: Serialize>(section: &T) -> Value {
    serde_json::to_value(section).unwrap_or_default()
}

fn differing(path: &str, old: &Value, new: &Value, keys: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in old {
                differing(&format!("{path}.{key}"), value, new.get(key).unwrap_or(&Value::Null), keys);
            }
        }
        (old, new) if old != new => keys.push(path.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{AccountDiff, account, in_force, needs_restart};
    use crate::config::{Account, Config};
    use crate::model::Secret;

    #[test]
    fn what_needs_a_restart_is_named_by_key_and_stays_as_it_is() {
        let old = Config::default();
        let mut new = Config::default();
        new.server.metrics = false;
        new.pipeline.retry.max = serde_json::from_str("\"7s\"").unwrap();
        new.identity.uid_hash_key = Some(Secret::new("0123456789abcdef"));
        let keys = ["server.metrics", "pipeline.retry.max", "identity.uid_hash_key"];
        assert_eq!(needs_restart(&old, &new), keys);
        let kept = in_force(&old, new);
        assert!(kept.server.metrics && *kept.pipeline.retry.max == Duration::from_secs(60));
        assert!(needs_restart(&old, &kept).is_empty());
    }

    #[test]
    fn another_token_needs_no_other_account() {
        let with = |token: Option<&str>| Account { access_token: token.map(Secret::new), ..Account::default() };
        let none = AccountDiff::default();
        assert_eq!(account(&with(Some("a")), &with(Some("a"))), none);
        assert_eq!(account(&with(None), &with(Some("a"))), AccountDiff { token: true, ..none });
        assert_eq!(account(&with(Some("a")), &with(Some("b"))), AccountDiff { token: true, ..none });
        assert!(account(&with(Some("a")), &with(None)).rebuilt, "there is no way back to no token");
        let elsewhere = Account { base_url: "https://example.com".into(), ..with(Some("a")) };
        assert_eq!(account(&with(Some("a")), &elsewhere), AccountDiff { rebuilt: true, ..none });
    }
}
