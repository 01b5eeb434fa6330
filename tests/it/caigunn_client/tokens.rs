//! The account's token: refreshed once for all, kept, refused, configured anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use caigunn_bridge::caigunn::{Account, AccountState, Bot, ErrorKind, MessagesFilter, Page, RetryClass};
use caigunn_bridge::model::Secret;
use tokio_util::sync::CancellationToken;

use super::script::{Play, Recorded, Server, json, said, status};
use super::{KEY, Keep, RENEWED, TOKEN, account, account_with, assert_no_secret, bot, options};

fn renewed() -> Play {
    json(format!(r#"{{"token":"{RENEWED}"}}"#))
}

/// Refuses every token but `good`.
fn guarded(request: &Recorded, good: &str) -> Play {
    if request.header("caigunn-access-token") == Some(good) {
        said("welcome")
    } else {
        status(401, r#"{"detail":"token expired"}"#)
    }
}

async fn renewing() -> Server {
    Server::start(|request, _| if request.is_refresh() { renewed() } else { guarded(request, RENEWED) }).await
}

/// `talk` finds the token expired; the refresh is answered with `play`.
async fn refresh_answered(play: Play) -> Server {
    Server::start(move |request, _| if request.is_refresh() { play.clone() } else { guarded(request, RENEWED) }).await
}

fn assert_rejected(account: &Account) -> String {
    match account.state() {
        AccountState::TokenRejected { hint } => hint,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_expired_token_is_renewed_kept_and_survives_a_restart() {
    let server = renewing().await;
    let keep = Arc::new(Keep::default());
    let account = account_with(&server.base(), Some(TOKEN), &options(), Arc::clone(&keep)).await;
    assert_eq!(bot(&account).talk("u", None, "hi").await.unwrap().text, "welcome");
    assert_eq!(account.state(), AccountState::Ready);
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[1].header("caigunn-access-token"), Some(TOKEN));
    assert_eq!(seen[2].body, seen[0].body);
    assert_eq!(seen[2].header("caigunn-access-token"), Some(RENEWED));

    // A restart: the kept token is used at once.
    let restarted = account_with(&server.base(), Some(TOKEN), &options(), Arc::clone(&keep)).await;
    bot(&restarted).talk("u", None, "hi").await.unwrap();
    assert_eq!(server.refreshes(), 1);

    // Another token is configured: it beats the kept one.
    let server = Server::always(said("x")).await;
    let configured = account_with(&server.base(), Some("tok-three-SECRET"), &options(), keep).await;
    bot(&configured).talk("u", None, "hi").await.unwrap();
    assert_eq!(server.seen()[0].header("caigunn-access-token"), Some("tok-three-SECRET"));
}

#[tokio::test]
async fn a_keep_that_fails_costs_nothing_but_the_kept_token() {
    let server = renewing().await;
    let keep = Arc::new(Keep { broken: true, ..Keep::default() });
    let account = account_with(&server.base(), Some(TOKEN), &options(), keep).await;
    assert_eq!(bot(&account).talk("u", None, "hi").await.unwrap().text, "welcome");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_calls_with_an_expired_token_share_one_refresh() {
    let server = Server::start(|request, _| {
        if request.is_refresh() {
            Play::Later(Duration::from_millis(100), Box::new(renewed()))
        } else {
            guarded(request, RENEWED)
        }
    })
    .await;
    let bot = bot(&account(&server.base()).await);
    let asks: Vec<_> = (0..100)
        .map(|i| {
            let bot = bot.clone();
            tokio::spawn(async move { bot.talk(&format!("u{i}"), None, "hi").await })
        })
        .collect();
    for ask in asks {
        assert_eq!(ask.await.unwrap().unwrap().text, "welcome");
    }
    assert_eq!(server.refreshes(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_calls_share_one_refusal() {
    let server = Server::start(|request, _| {
        if request.is_refresh() {
            Play::Later(Duration::from_millis(50), Box::new(status(401, r#"{"detail":"no"}"#)))
        } else {
            guarded(request, RENEWED)
        }
    })
    .await;
    let bot = bot(&account(&server.base()).await);
    let asks: Vec<_> = (0..100)
        .map(|i| {
            let bot = bot.clone();
            tokio::spawn(async move { bot.talk(&format!("u{i}"), None, "hi").await })
        })
        .collect();
    for ask in asks {
        assert_eq!(ask.await.unwrap().unwrap_err().class, RetryClass::Credentials);
    }
    assert_eq!(server.refreshes(), 1);
}

#[tokio::test]
async fn a_refused_refresh_is_a_state_with_a_hint() {
    for code in [400, 401, 403, 404] {
        let server = refresh_answered(status(code, format!(r#"{{"detail":"{TOKEN} is dead"}}"#))).await;
        let account = account(&server.base()).await;
        let watch = account.watch();
        let error = bot(&account).talk("u", None, "hi").await.unwrap_err();
        assert_eq!((error.kind, error.class), (ErrorKind::TokenRejected, RetryClass::Credentials), "{error}");
        assert_eq!((error.call, error.status), ("talk", Some(code)));
        assert_eq!(error.detail, "[secret] is dead");
        assert_no_secret(error);
        let hint = assert_rejected(&account);
        assert!(hint.contains(&format!("HTTP {code}: [secret] is dead")) && hint.contains("access token"), "{hint}");
        assert!(watch.has_changed().unwrap());
        // The refusal holds for a while: the next ask is refused without another refresh.
        bot(&account).talk("u", None, "hi").await.unwrap_err();
        assert_eq!(server.refreshes(), 1);
    }
}

#[tokio::test]
async fn a_refresh_that_fails_in_passing_leaves_the_ask_not_processed() {
    let cases = [
        (status(500, "oops"), Some(500)),
        (Play::Answer(429, vec![("retry-after", "9".into())], vec![]), Some(429)),
        (status(302, ""), Some(302)),
        (json("<html>"), Some(200)),
        (json(format!(r#"{{"access_token":"{RENEWED}"}}"#)), Some(200)),
        (json(format!(r#"{{"token":"{RENEWED}\n"}}"#)), Some(200)),
        (json(r#"{"token":""}"#), Some(200)),
        (Play::Raw(vec![]), None),
    ];
    for (play, code) in cases {
        let server = refresh_answered(play).await;
        let account = account(&server.base()).await;
        let error = bot(&account).talk("u", None, "hi").await.unwrap_err();
        assert_eq!((error.kind, error.class), (ErrorKind::TokenRefresh, RetryClass::NotProcessed), "{error:?}");
        assert_eq!(error.status, code);
        assert_eq!(error.retry_after, (code == Some(429)).then_some(Duration::from_secs(9)));
        assert_no_secret(error);
        assert_eq!(account.state(), AccountState::Ready);
    }
}

#[tokio::test]
async fn a_401_after_a_good_refresh_rejects_the_token() {
    let server = Server::start(|request, _| if request.is_refresh() { renewed() } else { status(401, "{}") }).await;
    let account = account(&server.base()).await;
    let error = bot(&account).talk("u", None, "hi").await.unwrap_err();
    assert_eq!((error.kind, error.class), (ErrorKind::TokenRejected, RetryClass::Credentials));
    assert_eq!(server.seen().len(), 3);
    assert_rejected(&account);
}

#[tokio::test]
async fn a_key_refused_with_401_does_not_condemn_the_token_of_the_others() {
    let server = Server::start(|request, _| match request.header("api-key") {
        None => renewed(),
        Some(KEY) => said("welcome"),
        Some(_) => Play::Later(Duration::from_millis(100), Box::new(status(401, "{}"))),
    })
    .await;
    let account = account(&server.base()).await;
    let bad = Bot::new(Arc::clone(&account), Secret::new("revoked-SECRET")).unwrap();
    assert_eq!(bad.talk("u", None, "hi").await.unwrap_err().kind, ErrorKind::TokenRejected);
    assert_rejected(&account);
    // A good answer with that token says that the token is good after all …
    bot(&account).talk("u", None, "hi").await.unwrap();
    assert_eq!(account.state(), AccountState::Ready);
    // … and when the other has used the renewed token in between, the fault is the key's.
    let other = bot(&account);
    let version = account.token_version();
    let (error, ()) = tokio::join!(bad.talk("u", None, "hi"), async {
        while account.token_version() == version {
            tokio::task::yield_now().await;
        }
        other.talk("u", None, "hi").await.unwrap();
    });
    let error = error.unwrap_err();
    assert_eq!((error.kind, error.class), (ErrorKind::KeyRefused, RetryClass::Credentials));
    assert_eq!(account.state(), AccountState::Ready);
}

#[tokio::test]
async fn a_403_is_the_keys_fault() {
    let server = Server::always(status(403, format!(r#"{{"detail":"{KEY} was revoked"}}"#))).await;
    let account = account(&server.base()).await;
    let error = bot(&account).talk("u", None, "hi").await.unwrap_err();
    assert_eq!((error.kind, error.class), (ErrorKind::KeyRefused, RetryClass::Credentials));
    assert_eq!(error.detail, "[secret] was revoked");
    assert_no_secret(error);
    assert_eq!(account.state(), AccountState::Ready);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn without_a_token_a_401_names_what_is_missing() {
    let server = renewing().await;
    let account = account_with(&server.base(), None, &options(), Arc::default()).await;
    assert_eq!(account.state(), AccountState::NoToken);
    let error = bot(&account).talk("u", None, "hi").await.unwrap_err();
    assert_eq!((error.kind, error.class), (ErrorKind::TokenRejected, RetryClass::Credentials));
    assert!(error.detail.contains("none is configured"), "{error}");
    assert_eq!(account.refresh(account.token_version()).await.unwrap_err().class, RetryClass::Credentials);
    assert_eq!(server.refreshes(), 0);
    assert_eq!(account.state(), AccountState::NoToken);
    account.configure(Secret::new(RENEWED));
    assert_eq!(account.state(), AccountState::Ready);
    bot(&account).talk("u", None, "hi").await.unwrap();
}

#[tokio::test]
async fn a_newly_configured_token_ends_the_rejection() {
    let server =
        Server::start(
            |request, _| {
                if request.is_refresh() { status(401, "{}") } else { guarded(request, "tok-new-SECRET") }
            },
        )
        .await;
    let account = account(&server.base()).await;
    bot(&account).talk("u", None, "hi").await.unwrap_err();
    let mut watch = account.watch();
    assert_rejected(&account);
    account.configure(Secret::new("bad\ntoken-SECRET"));
    assert!(!assert_rejected(&account).contains("SECRET"));
    account.configure(Secret::new("tok-new-SECRET"));
    assert_eq!(*watch.borrow_and_update(), AccountState::Ready);
    bot(&account).talk("u", None, "hi").await.unwrap();
    // The same again (a config reload) does not even change the version.
    let version = account.token_version();
    account.configure(Secret::new("tok-new-SECRET"));
    assert_eq!(account.token_version(), version);
}

#[tokio::test]
async fn a_token_configured_during_a_refresh_wins() {
    let server = Server::start(|request, _| {
        if request.is_refresh() {
            Play::Later(Duration::from_millis(100), Box::new(renewed()))
        } else {
            guarded(request, "tok-new-SECRET")
        }
    })
    .await;
    let account = account(&server.base()).await;
    let bot = bot(&account);
    let (answer, ()) = tokio::join!(bot.talk("u", None, "hi"), async {
        while server.refreshes() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        account.configure(Secret::new("tok-new-SECRET"));
    });
    assert_eq!(answer.unwrap().text, "welcome");
}

#[tokio::test]
async fn a_refresh_ends_and_is_kept_though_its_caller_has_gone() {
    let server = Server::always(Play::Later(Duration::from_millis(100), Box::new(renewed()))).await;
    let keep = Arc::new(Keep::default());
    let account = account_with(&server.base(), Some(TOKEN), &options(), Arc::clone(&keep)).await;
    let seen = account.token_version();
    let _ = tokio::time::timeout(Duration::from_millis(30), account.refresh(seen)).await.unwrap_err();
    account.refresh(seen).await.unwrap();
    assert_eq!(server.refreshes(), 1);
    let kept = keep.kept.lock().unwrap()["main"].clone();
    assert_eq!(kept.token.expose(), RENEWED);
    assert_eq!(kept.descends_from.len(), 64);
    assert!(!format!("{kept:?} {account:?}").contains("SECRET"));
    // A version that is past is renewed already.
    account.refresh(seen).await.unwrap();
    assert_eq!(server.refreshes(), 1);
}

#[tokio::test]
async fn the_token_is_renewed_on_schedule_and_a_recovery_is_noticed() {
    let refuse = Arc::new(AtomicBool::new(true));
    let flag = Arc::clone(&refuse);
    let server = Server::start(move |_, n| match (n, flag.load(Ordering::SeqCst)) {
        (0, _) => status(503, ""),
        (_, true) => status(401, ""),
        (_, false) => renewed(),
    })
    .await;
    let account = account(&server.base()).await;
    let stop = CancellationToken::new();
    let every = Duration::from_millis(40);
    let task = tokio::spawn(Arc::clone(&account).keep_fresh(every, 0.2, stop.clone()));
    let mut watch = account.watch();
    let rejected = |state: &AccountState| matches!(state, AccountState::TokenRejected { .. });
    tokio::time::timeout(Duration::from_secs(5), watch.wait_for(rejected)).await.unwrap().unwrap();
    refuse.store(false, Ordering::SeqCst);
    let ready = |state: &AccountState| *state == AccountState::Ready;
    tokio::time::timeout(Duration::from_secs(5), watch.wait_for(ready)).await.unwrap().unwrap();
    let so_far = server.refreshes();
    while server.refreshes() < so_far + 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(1), task).await.unwrap().unwrap();
}

#[tokio::test]
async fn lists_renew_the_token_too() {
    let server = Server::start(|request, _| {
        if request.is_refresh() {
            renewed()
        } else if request.header("caigunn-access-token") == Some(RENEWED) {
            json(r#"{"messages":[]}"#)
        } else {
            status(401, "")
        }
    })
    .await;
    let bot = bot(&account(&server.base()).await);
    assert_eq!(bot.messages("u", Page::default(), MessagesFilter::default()).await.unwrap(), []);
    assert_eq!(server.refreshes(), 1);
}
