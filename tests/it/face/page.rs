//! The chat page: `docs/http-api.md`, "The chat page", as people use it.

use caigunn_bridge::sandbox::{Call, Fault, Scripted};
use image::ImageFormat;
use serde_json::json;

use super::browser::Browser;
use super::{Relay, answers, is_away, is_connected, playground, says, shown, until_shown};
use crate::support::{picture, until};

#[tokio::test]
async fn a_text_goes_there_and_its_answer_comes_back() {
    let Some(browser) = Browser::get() else { return };
    let bridge = playground().set("CHANNELS__WEB__PATH", "/shop").start().await;
    let page = browser.page().await;
    page.size(1100, 760, false).await;
    page.open(&bridge.url("/shop/chat?lang=en")).await;
    is_connected(&page).await;
    page.until("document.querySelector('#empty').offsetHeight > 0").await;
    page.shows("empty").await;

    is_away(&bridge);
    says(&page, "Hello <b>there</b>").await;
    page.until("!document.querySelector('#waiting').hidden").await;
    page.shows("waiting").await;
    bridge.sandbox.clear_faults();
    until_shown(&page, 2).await;
    page.until("document.querySelector('#waiting').hidden").await;
    assert_eq!(shown(&page).await, ["user: Hello <b>there</b>", "bot: Turn 1: you said \"Hello <b>there</b>\""]);
    assert_eq!(page.text("document.querySelector('#text').value").await, "");

    answers(&bridge, "## Hours\n\n| Day | From |\n|-|-:|\n| Monday | 9:00 |\n\n- [x] **open**\n\n```sh\necho hi\n```");
    says(&page, "When?").await;
    page.until("document.querySelector('.bot h2')").await;
    let found = "document.querySelectorAll('.bot td.right, .bot input:checked, .bot strong, .bot pre code').length";
    assert_eq!(page.eval(found).await, 4);
    page.eval("document.querySelector('.code button').click()").await;
    page.until("document.querySelector('.code button').innerText.includes('Copied')").await;

    // Nothing but the bridge was called, all of it below the path.
    let requests = page.requests();
    assert!(requests.iter().all(|url| url.starts_with(&bridge.url("/shop/"))), "{requests:#?}");
    page.is_clean().await;
}

#[tokio::test]
async fn pictures_come_by_picker_by_paste_and_by_drop_and_are_there_after_a_reload() {
    let Some(browser) = Browser::get() else { return };
    let bridge = playground().set("CHANNELS__WEB__MAX_IMAGES", "2").start().await;
    let page = browser.page().await;
    page.open(&bridge.url("/chat?lang=en")).await;
    is_connected(&page).await;
    let file = bridge.folder().join("a picture.png");
    std::fs::write(&file, picture(ImageFormat::Png)).unwrap();
    let previews = async |count: usize| {
        let loaded = "[...document.querySelectorAll('#previews img')].filter((i) => i.naturalWidth === 40).length";
        page.until(&format!("{loaded} === {count}")).await;
    };

    page.choose("#files", &[&file]).await;
    previews(1).await;
    page.eval("document.querySelector('#previews button').click()").await;
    previews(0).await;
    page.choose("#files", &[&file]).await;
    previews(1).await;
    says(&page, "What is this?").await;
    until_shown(&page, 2).await;
    assert!(shown(&page).await[1].contains("and wrote \"What is this?\""), "{:?}", shown(&page).await);

    let bytes = crate::support::base64(&picture(ImageFormat::Jpeg));
    let make = format!(
        "window.made = (() => {{ const t = new DataTransfer(); const b = atob('{bytes}'); \
         t.items.add(new File([Uint8Array.from(b, (c) => c.charCodeAt(0))], 'x.jpg', {{ type: 'image/jpeg' }})); return t; }})()"
    );
    page.eval(&format!("{make}, 0")).await;
    let paste = "document.querySelector('#text').dispatchEvent(\
                 new ClipboardEvent('paste', { clipboardData: made, bubbles: true, cancelable: true }))";
    page.eval(paste).await;
    previews(1).await;
    page.eval(&format!("{make}, 0")).await;
    page.eval("document.body.dispatchEvent(new DragEvent('dragenter', { dataTransfer: made, bubbles: true })), 0")
        .await;
    page.until("document.querySelector('#drop').offsetHeight > 0").await;
    let drop = "document.body.dispatchEvent(\
                new DragEvent('drop', { dataTransfer: made, bubbles: true, cancelable: true }))";
    page.eval(drop).await;
    previews(2).await;
    page.until("document.querySelector('#drop').hidden").await;

    // No more than the limit, and nothing but pictures.
    page.choose("#files", &[&file]).await;
    page.until("document.querySelector('#alert').innerText.includes('2 pictures at most')").await;
    let svg = bridge.folder().join("x.svg");
    std::fs::write(&svg, "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>").unwrap();
    page.choose("#files", &[&svg]).await;
    page.until("document.querySelector('#alert').innerText.includes('Only pictures')").await;
    previews(2).await;
    page.shows("previews").await;
    page.click("#send").await;
    until_shown(&page, 4).await;

    let before = shown(&page).await;
    let sizes = "[...document.querySelectorAll('.picture img')].map((i) => i.naturalWidth)";
    assert_eq!(page.eval(sizes).await, json!([40, 40, 40]));
    page.reload().await;
    is_connected(&page).await;
    assert_eq!(shown(&page).await, before);
    page.until(&format!("{sizes}.join() === '40,40,40'")).await;
    page.eval("document.querySelector('.picture').click()").await;
    page.until("document.querySelector('#viewer').open").await;
    page.is_clean().await;
}

#[tokio::test]
async fn a_reload_in_mid_answer_shows_it_once() {
    let Some(browser) = Browser::get() else { return };
    let bridge = playground().start().await;
    let page = browser.page().await;
    page.open(&bridge.url("/chat")).await;
    is_connected(&page).await;
    says(&page, "one").await;
    until_shown(&page, 2).await;
    is_away(&bridge);
    says(&page, "two").await;
    until("the second is asked", async || bridge.asks().len() >= 2).await;
    page.reload().await;
    is_connected(&page).await;
    page.until("!document.querySelector('#waiting').hidden").await;
    bridge.sandbox.clear_faults();
    until_shown(&page, 4).await;
    page.until("document.querySelector('#waiting').hidden").await;
    page.reload().await;
    is_connected(&page).await;
    let expected = ["user: one", "bot: Turn 1: you said \"one\"", "user: two", "bot: Turn 2: you said \"two\""];
    assert_eq!(shown(&page).await, expected);
    assert_eq!(bridge.asked("two").1, 1);
    page.is_clean().await;
}

#[tokio::test]
async fn a_connection_that_drops_costs_nothing() {
    let Some(browser) = Browser::get() else { return };
    let bridge = playground().start().await;
    let relay = Relay::to(&bridge).await;
    let page = browser.page().await;
    page.open(&relay.url("/chat?lang=en")).await;
    is_connected(&page).await;
    bridge.sandbox.push_fault(Scripted::on(Fault::Delay { ms: 500 }, Call::Talk));
    says(&page, "one").await;
    until("it is asked", async || bridge.asks().len() == 1).await;
    // The answer comes while nobody can be told; what is written meanwhile waits.
    relay.close();
    page.until("document.querySelector('#connection').dataset.how === 'offline'").await;
    says(&page, "two").await;
    says(&page, "three").await;
    page.until("document.querySelector('[data-state=waiting] .status')?.innerText.includes('Waiting')").await;
    page.shows("offline").await;
    until("it is answered", async || bridge.asked("one").1 == 1).await;
    relay.open(&bridge);
    until_shown(&page, 6).await;
    page.until("!document.querySelector('[data-state]')").await;
    let texts = shown(&page).await;
    let mine: Vec<_> = texts.iter().filter(|text| text.starts_with("user")).collect();
    assert_eq!(mine, ["user: one", "user: two", "user: three"]);
    for n in ["1: you said \"one\"", "2: you said \"two\"", "3: you said \"three\""] {
        assert_eq!(texts.iter().filter(|text| **text == format!("bot: Turn {n}")).count(), 1, "{texts:#?}");
    }
    page.reload().await;
    is_connected(&page).await;
    assert_eq!(shown(&page).await, texts);
    page.is_clean().await;
}

#[tokio::test]
async fn a_connection_that_is_dead_without_a_word_is_noticed() {
    let Some(browser) = Browser::get() else { return };
    let bridge = playground().start().await;
    let relay = Relay::to(&bridge).await;
    let page = browser.page().await;
    page.open(&relay.url("/chat")).await;
    is_connected(&page).await;
    says(&page, "one").await;
    until_shown(&page, 2).await;
    relay.freeze();
    let token = page.text("localStorage.getItem('caigunn-bridge / guest')").await;
    bridge.post(&token, &json!({ "text": "from elsewhere" })).send().await.unwrap();
    assert_eq!(shown(&page).await.len(), 2);
    // Two heartbeats later, as the page's clock has it; and later still, as other connections died with the first.
    let hurry = "{ const now = Date.now; let ahead = 36_000; Date.now = () => now() + ahead; dispatchEvent(new Event('online')); \
                 setInterval(() => { ahead += 11_000; dispatchEvent(new Event('online')); }, 1500); }";
    page.eval(hurry).await;
    until_shown(&page, 4).await;
    assert_eq!(shown(&page).await[2], "user: from elsewhere");
    page.is_clean().await;
}

#[tokio::test]
async fn a_bridge_that_is_killed_and_started_again_goes_on_in_the_open_page() {
    let Some(browser) = Browser::get() else { return };
    let mut bridge = playground().crashable().start().await;
    let relay = Relay::to(&bridge).await;
    let page = browser.page().await;
    page.open(&relay.url("/chat")).await;
    is_connected(&page).await;
    says(&page, "one").await;
    until_shown(&page, 2).await;
    bridge.sandbox.push_fault(Scripted::on(Fault::Hang, Call::Talk));
    says(&page, "two").await;
    until("it is asked", async || bridge.asks().len() == 2).await;
    page.until("!document.querySelector('[data-state]')").await;
    relay.close();
    bridge.crash().await;
    says(&page, "three").await;
    bridge.start_again(&[]).await;
    relay.open(&bridge);
    until_shown(&page, 6).await;
    page.until("document.querySelector('#waiting').hidden").await;
    let texts = shown(&page).await;
    for text in ["one", "two", "three"] {
        let count = |what: &str| texts.iter().filter(|shown| **shown == what).count();
        assert_eq!(count(&format!("user: {text}")), 1, "{texts:#?}");
        assert_eq!(texts.iter().filter(|shown| shown.ends_with(&format!("said \"{text}\""))).count(), 1, "{texts:#?}");
    }
    page.is_clean().await;
}

#[tokio::test]
async fn a_bridge_whose_store_is_another_one_goes_on_in_the_open_page() {
    let Some(browser) = Browser::get() else { return };
    let mut bridge = playground().start().await;
    let relay = Relay::to(&bridge).await;
    let page = browser.page().await;
    page.open(&relay.url("/chat")).await;
    is_connected(&page).await;
    says(&page, "one").await;
    until_shown(&page, 2).await;
    let first = bridge.folder().join("first.db");
    bridge.stop().await;
    std::fs::copy(bridge.folder().join("bridge.db"), &first).unwrap();
    bridge.start_again(&[]).await;
    relay.open(&bridge);
    says(&page, "two").await;
    until_shown(&page, 4).await;

    // Put back from a backup: the same guest, and numbers that are not there any more.
    relay.close();
    bridge.stop().await;
    bridge.start_again(&[("STORE__PATH", first.to_str().unwrap())]).await;
    relay.open(&bridge);
    page.until("document.querySelectorAll('.message').length === 2").await;
    says(&page, "three").await;
    until_shown(&page, 4).await;
    let texts = shown(&page).await;
    assert_eq!((&*texts[0], &*texts[2]), ("user: one", "user: three"), "{texts:?}");

    // Empty: even the guest is another one.
    relay.close();
    bridge.stop().await;
    let empty = bridge.folder().join("empty.db");
    bridge.start_again(&[("STORE__PATH", empty.to_str().unwrap())]).await;
    says(&page, "four").await;
    relay.open(&bridge);
    page.until("document.querySelector('.message .words')?.innerText.trim() === 'four'").await;
    until_shown(&page, 2).await;
    let texts = shown(&page).await;
    assert!(texts.len() == 2 && texts[1].contains("said \"four\""), "{texts:?}");
    says(&page, "five").await;
    until_shown(&page, 4).await;
    page.reload().await;
    is_connected(&page).await;
    assert_eq!(shown(&page).await.len(), 4, "and once");
    page.is_clean().await;
}

#[tokio::test]
async fn what_is_not_yet_sent_outlives_a_reload() {
    let Some(browser) = Browser::get() else { return };
    let bridge = playground().start().await;
    let page = browser.page().await;
    page.open(&bridge.url("/chat?lang=en")).await;
    is_connected(&page).await;
    page.blocks(&["*/v1/messages"]).await;
    let file = bridge.folder().join("a.png");
    std::fs::write(&file, picture(ImageFormat::Png)).unwrap();
    page.choose("#files", &[&file]).await;
    page.until("document.querySelector('#previews img')").await;
    says(&page, "with a picture").await;
    says(&page, "second").await;
    page.until("document.querySelectorAll('[data-state]').length === 2").await;
    page.until("document.querySelector('[data-state=waiting]')").await;
    page.reload().await;
    page.until("document.querySelectorAll('[data-state]').length === 2").await;
    assert_eq!(bridge.asks().len(), 0);
    page.blocks(&[]).await;
    until_shown(&page, 4).await;
    page.until("!document.querySelector('[data-state]')").await;
    let mut texts = shown(&page).await;
    texts.retain(|text| text.starts_with("user"));
    assert_eq!(texts, ["user: with a picture", "user: second"]);
    assert_eq!(bridge.asks().len(), 2);
    page.until("document.querySelector('.picture img')?.naturalWidth === 40").await;
    page.is_clean().await;
}

#[tokio::test]
async fn two_tabs_are_one_guest() {
    let Some(browser) = Browser::get() else { return };
    let bridge = playground().start().await;
    let one = browser.page().await;
    one.open(&bridge.url("/chat")).await;
    is_connected(&one).await;
    let two = one.tab().await;
    two.open(&bridge.url("/chat")).await;
    is_connected(&two).await;
    says(&one, "from one").await;
    until_shown(&two, 2).await;
    says(&two, "from two").await;
    until_shown(&one, 4).await;
    until_shown(&two, 4).await;
    assert_eq!(shown(&one).await, shown(&two).await);
    assert_eq!(bridge.asked("from one"), (1, 1));
    // Another visitor's.
    let other = browser.page().await;
    other.open(&bridge.url("/chat")).await;
    is_connected(&other).await;
    assert_eq!(shown(&other).await, [""; 0]);
    one.is_clean().await;
    two.is_clean().await;
}

#[tokio::test]
async fn what_goes_wrong_is_said_in_words() {
    let Some(browser) = Browser::get() else { return };
    let bridge = playground().set("CHANNELS__WEB__MAX_TEXT", "40").set("SERVER__MAX_BODY", "100KiB").start().await;
    let page = browser.page().await;
    page.open(&bridge.url("/chat?lang=en")).await;
    is_connected(&page).await;
    says(&page, &"x".repeat(41)).await;
    page.until("document.querySelector('#alert').innerText.includes('too long: 40 characters')").await;
    assert_eq!(page.eval("document.querySelector('#text').value.length").await, 41, "it is still there");
    page.eval("document.querySelector('#text').value = ''").await;

    // An answer that is none.
    says(&page, "empty").await;
    page.until("document.querySelector('[data-state=unanswered] .status').innerText.includes('nothing to say')").await;
    page.reload().await;
    is_connected(&page).await;
    page.until("document.querySelector('[data-state=unanswered] .status')?.innerText.includes('nothing to say')").await;

    // Too large for the server, and taken back.
    let file = bridge.folder().join("large.png");
    let mut bytes = picture(ImageFormat::Png);
    bytes.resize(150 * 1024, 0);
    std::fs::write(&file, bytes).unwrap();
    page.choose("#files", &[&file]).await;
    page.until("document.querySelector('#previews img')").await;
    says(&page, "a large one").await;
    page.until("document.querySelector('[data-state=failed] .status')?.innerText.includes('too large')").await;
    page.shows("failed").await;
    page.eval("document.querySelector('[data-state=failed] .status button:last-child').click()").await;
    page.until("!document.querySelector('[data-state=failed]')").await;
    let all = page.text("document.body.innerText").await;
    assert!(!all.contains('{') && !all.contains("urn:"), "{all}");
    page.is_clean().await;
}

#[tokio::test]
async fn a_server_that_says_later_is_asked_later_with_the_same_key() {
    let Some(browser) = Browser::get() else { return };
    let bridge = playground().set("PIPELINE__MAX_PENDING_PER_CONVERSATION", "1").start().await;
    let page = browser.page().await;
    page.open(&bridge.url("/chat?lang=en")).await;
    is_connected(&page).await;
    is_away(&bridge);
    for text in ["one", "two", "three"] {
        says(&page, text).await;
    }
    page.until("document.querySelector('[data-state=waiting] .status')?.innerText.includes('wait')").await;
    bridge.sandbox.clear_faults();
    page.until("document.querySelectorAll('.bot').length === 3").await;
    for text in ["one", "two", "three"] {
        assert_eq!(bridge.asked(text).1, 1, "{text}");
    }
    page.is_clean().await;
}
