//! What can be wrong in the section, with nothing of it repeated.

use std::ffi::OsString;

use caigunn_bridge::app::App;
use caigunn_bridge::config::Sources;

/// The mistakes of a channel `web` with one key, and these settings of its own.
fn mistakes(settings: &[(&str, &str)]) -> Vec<String> {
    let base = [
        ("ACCOUNTS__MAIN__ACCESS_TOKEN", "token"),
        ("BOTS__MAIN__ACCOUNT", "main"),
        ("BOTS__MAIN__API_KEY", "key"),
        ("CHANNELS__WEB__KIND", "http"),
        ("CHANNELS__WEB__BOT", "main"),
        ("CHANNELS__WEB__KEYS__SHOP__KEY", "key-of-the-shop-0123456789"),
    ];
    let own = settings.iter().map(|(key, value)| (format!("CHANNELS__WEB__{key}"), *value));
    let all = base.into_iter().map(|(key, value)| (key.to_owned(), value)).chain(own);
    let env = all.map(|(key, value)| (OsString::from(format!("CAIGUNN_BRIDGE__{key}")), OsString::from(value)));
    let sources = Sources { file: None, env: env.collect(), places: Vec::new() };
    let loaded = App::builder().load(&sources).unwrap();
    loaded.broken.get("web").map(|mistakes| mistakes.0.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

const URL: &str = "KEYS__SHOP__CALLBACK__URL";
const SECRET: &str = "KEYS__SHOP__CALLBACK__SECRET";
const GOOD: &str = "whsec_c2VjcmV0LW9mLXRoZS1zaG9wLTAxMjM0NTY3ODlhYmM=";

#[test]
fn a_callback_needs_an_address_and_a_secret() {
    assert!(mistakes(&[(URL, "https://shop.example/hook?a=b"), (SECRET, GOOD)]).is_empty());
    for url in
        ["shop.example", "ftp://x-planted/", "https://me:x-planted@shop.example/", "http://x-planted#y", "https://"]
    {
        let found = mistakes(&[(URL, url), (SECRET, GOOD)]);
        assert!(found.len() == 1 && found[0].contains("callback.url is no address"), "{url}: {found:?}");
        assert!(!found[0].contains("x-planted"), "{found:?}");
    }
    for secret in ["c2VjcmV0LW9mLXRoZS1zaG9wLTAxMjM0NTY3ODlhYmM=", "whsec_c2hvcnQ=", "whsec_§", "whsec_REPLACE-ME"] {
        for field in [SECRET, "KEYS__SHOP__CALLBACK__PREVIOUS_SECRET"] {
            let mut settings = vec![(URL, "https://shop.example"), (SECRET, GOOD)];
            settings.retain(|(key, _)| *key != field);
            settings.push((field, secret));
            let found = mistakes(&settings);
            let named = if field == SECRET { "callback.secret " } else { "callback.previous_secret " };
            assert!(
                found.len() == 1 && found[0].contains(named) && found[0].contains("openssl"),
                "{secret}: {found:?}"
            );
            assert!(!found[0].contains(secret), "{found:?}");
        }
    }
    assert_eq!(mistakes(&[(URL, "https://shop.example")]).len(), 1, "a secret is needed");
}

#[test]
fn the_forms_of_a_secret_work_below_a_key_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, format!("{GOOD}\n")).unwrap();
    let file = file.display().to_string();
    let url = (URL, "https://shop.example");
    assert!(mistakes(&[url, ("KEYS__SHOP__CALLBACK__SECRET_FILE", &file)]).is_empty());
    assert_eq!(mistakes(&[url, ("KEYS__SHOP__CALLBACK__SECRET_FILE", "/nowhere")]).len(), 1);
}

#[test]
fn networks_are_networks() {
    assert!(mistakes(&[("IMAGE_NETWORKS", "10.20.0.0/16, fd00::/8, 127.0.0.1")]).is_empty());
    let found = mistakes(&[("IMAGE_NETWORKS", "10.20.0.0/16, intranet")]);
    assert!(found.len() == 1 && found[0].contains("image_networks[1]"), "{found:?}");
}
