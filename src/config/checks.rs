//! What no schema can say: references, templates, and values that depend on each other.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    accounts::{Account, check_proxy, is_plain_remote},
    mistake::{Mistake, quote},
    names::is_name,
    pipeline::Retry,
    secrets::UNREADABLE,
    suggest::did_you_mean,
    units::HumanDuration,
    validate::Validator,
};
use crate::model::uid::UidTemplate;

/// Runs on the tree, not on the types, so that these mistakes are found beside all others.
pub(super) fn check_all(validator: &mut Validator<'_>, tree: &Value) {
    references(validator, tree, "bots", "account", "accounts");
    references(validator, tree, "channels", "bot", "bots");
    for (id, channel) in entries(tree, "channels") {
        template(validator, id, channel);
        admins(validator, id, channel);
    }
    for (name, account) in entries(tree, "accounts") {
        account_values(validator, name, account);
    }
    retry_order(validator, tree);
    log_filter(validator, tree);
    warnings(validator, tree);
}

fn entries<'t>(tree: &'t Value, section: &str) -> impl Iterator<Item = (&'t String, &'t Map<String, Value>)> {
    let tables = tree.get(section).and_then(Value::as_object).into_iter().flatten();
    tables.filter_map(|(name, value)| Some((name, value.as_object()?)))
}

fn path<const N: usize>(parts: [&str; N]) -> Vec<String> {
    parts.map(String::from).to_vec()
}

fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}

fn references(validator: &mut Validator<'_>, tree: &Value, from: &str, key: &str, to: &str) {
    let targets: Vec<&str> = tree[to].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    for (name, table) in entries(tree, from) {
        let Some(target) = table.get(key).and_then(Value::as_str).filter(|t| !targets.contains(t)) else { continue };
        let hint = did_you_mean(target, targets.iter().copied()).unwrap_or_else(|| match targets.as_slice() {
            [] => format!("there are no {to}: add [{to}.{}]", if is_name(target) { target } else { "main" }),
            some => format!("there are: {}", some.join(", ")),
        });
        validator.wrong(&path([from, name, key]), format!("names {}, which is not under `{to}`", quote(target)), hint);
    }
}

fn template(validator: &mut Validator<'_>, id: &str, channel: &Map<String, Value>) {
    let Some(text) = channel.get("uid_template").and_then(Value::as_str) else { return };
    if let Err(error) = UidTemplate::parse(text) {
        let hint = format!("for example {:?}", UidTemplate::DEFAULT);
        validator.wrong(&path(["channels", id, "uid_template"]), error, hint);
    }
}

fn admins(validator: &mut Validator<'_>, id: &str, channel: &Map<String, Value>) {
    let list = |key: &str| channel.get("access").and_then(|access| access.get(key)).and_then(Value::as_array);
    let is_given = |key: &str| list(key).is_some_and(|list| !list.is_empty());
    if is_given("admin_commands") && !is_given("admins") {
        let reason = "lists commands that nobody could use: there are no `admins`";
        let hint = "name the admins by their ids, or take the commands out".to_owned();
        validator.wrong(&path(["channels", id, "access", "admin_commands"]), reason, hint);
    }
}

fn account_values(validator: &mut Validator<'_>, name: &str, account: &Map<String, Value>) {
    if let Some(proxy) = account.get("proxy").and_then(Value::as_str).filter(|p| !p.is_empty() && *p != UNREADABLE)
        && let Err(reason) = check_proxy(proxy)
    {
        validator.wrong(&path(["accounts", name, "proxy"]), reason, None);
    }
    let Some(account) = read::<Account>(&account.clone().into()) else { return };
    for (key, shorter) in
        [("connect_timeout", account.connect_timeout), ("first_byte_timeout", account.first_byte_timeout)]
    {
        if shorter > account.total_timeout {
            let reason = format!(
                "is longer than the `total_timeout` of {}, which would always come first",
                account.total_timeout
            );
            validator.wrong(&path(["accounts", name, key]), reason, None);
        }
    }
    if !account.refresh_every.is_zero() && account.refresh_jitter >= account.refresh_every {
        let reason = format!("must be shorter than `refresh_every` ({})", account.refresh_every);
        validator.wrong(&path(["accounts", name, "refresh_jitter"]), reason, None);
    }
}

fn retry_order(validator: &mut Validator<'_>, tree: &Value) {
    let table = &tree["pipeline"]["retry"];
    let Some(retry) = read::<Retry>(table) else { return };
    if retry.min > retry.max {
        let key = if table.get("min").is_some() { "min" } else { "max" };
        let reason = format!("leaves the shortest wait ({}) above the longest ({})", retry.min, retry.max);
        validator.wrong(&path(["pipeline", "retry", key]), reason, None);
    }
}

fn log_filter(validator: &mut Validator<'_>, tree: &Value) {
    let Some(filter) = tree["log"].get("filter").and_then(Value::as_str) else { return };
    if tracing_subscriber::EnvFilter::try_new(filter).is_err() {
        let hint = "such as info, or info,caigunn_bridge=debug".to_owned();
        validator.wrong(&path(["log", "filter"]), "is not a level or a list of directives", hint);
    }
}

fn warnings(validator: &mut Validator<'_>, tree: &Value) {
    let mut warn = |path: Vec<String>, reason: &str, hint: &str| {
        let warning = Mistake::at(validator.origins, &path, reason).hint(hint.to_owned());
        validator.warnings.push(warning);
    };
    if entries(tree, "channels").next().is_none() {
        warn(path(["channels"]), "is empty: nobody can reach a bot", "`config example` shows one");
    }
    for (id, channel) in entries(tree, "channels") {
        for (key, list) in channel.get("access").and_then(Value::as_object).into_iter().flatten() {
            let mut names = list.as_array().into_iter().flatten().filter_map(Value::as_str);
            let odd = |name: &&str| name.trim_start().starts_with(['@', '[']);
            if let Some(name) = names.find(odd) {
                let reason = format!("lists {}, which looks like no id", quote(name));
                let hint = "ids are what the platform counts by, not names; in a variable they stand side by side: 7,8";
                warn(path(["channels", id, "access", key]), &reason, hint);
            }
        }
    }
    for (name, account) in entries(tree, "accounts") {
        if !account.contains_key("access_token") {
            warn(
                path(["accounts", name, "access_token"]),
                "is not given: CaiGunn may refuse the calls",
                "give `access_token`",
            );
        }
        if account.get("base_url").and_then(Value::as_str).is_some_and(is_plain_remote) {
            warn(
                path(["accounts", name, "base_url"]),
                "is http: tokens and messages travel unencrypted",
                "use https://",
            );
        }
    }
    let dedupe = tree["store"].get("retention").and_then(read::<HumanDuration>);
    let age = tree["pipeline"].get("max_age").and_then(read::<HumanDuration>);
    if let (Some(retention), Some(age)) = (dedupe, age)
        && retention < age
    {
        warn(
            path(["store", "retention"]),
            "is shorter than `pipeline.max_age`",
            "keep messages at least as long as they may wait",
        );
    }
}
