//! Keys, input methods, small screens, languages.

use serde_json::json;

use super::browser::Browser;
use super::{is_connected, playground, says, shown, until_shown};

#[tokio::test]
async fn enter_sends_unless_it_belongs_to_the_line_or_to_the_input_method() {
    let Some(browser) = Browser::get() else { return };
    let bridge = playground().start().await;
    let page = browser.page().await;
    page.open(&bridge.url("/chat")).await;
    is_connected(&page).await;
    page.types("one").await;
    let height = page.eval("document.querySelector('#text').offsetHeight").await;
    page.press("Shift+Enter").await;
    page.types("two").await;
    assert_eq!(page.text("document.querySelector('#text').value").await, "one\ntwo");
    assert!(page.eval("document.querySelector('#text').offsetHeight").await.as_i64() > height.as_i64(), "it grows");
    page.press("Enter").await;
    until_shown(&page, 2).await;
    assert_eq!(shown(&page).await[0], "user: one\ntwo");

    // 注音: the Enter that takes the proposal comes within the composition, or (Safari) just behind it with the code 229.
    page.command("Input.imeSetComposition", json!({ "text": "你好", "selectionStart": 2, "selectionEnd": 2 })).await;
    page.key(json!({ "key": "Enter", "windowsVirtualKeyCode": 229 })).await;
    page.types("你好").await;
    page.key(json!({ "key": "Enter", "windowsVirtualKeyCode": 229 })).await;
    let composing = "document.querySelector('#text').dispatchEvent(new KeyboardEvent('keydown', \
                     { key: 'Enter', isComposing: true, bubbles: true, cancelable: true }))";
    assert_eq!(page.eval(composing).await, true, "it is left to the input method");
    assert_eq!(page.text("document.querySelector('#text').value").await, "你好");
    page.press("Enter").await;
    until_shown(&page, 4).await;
    assert_eq!(shown(&page).await[2], "user: 你好");
    page.is_clean().await;
}

#[tokio::test]
async fn everything_is_reached_by_keys_and_has_a_name() {
    let Some(browser) = Browser::get() else { return };
    let bridge = playground().start().await;
    let page = browser.page().await;
    page.size(900, 700, false).await;
    page.open(&bridge.url("/chat?lang=en")).await;
    is_connected(&page).await;
    assert_eq!(page.text("document.activeElement.id").await, "text");
    page.types("hi").await;
    let mut reached = Vec::new();
    for _ in 0..6 {
        page.press("Tab").await;
        reached.push(page.text("document.activeElement.id").await);
        let ring = "document.activeElement === document.body || document.activeElement.id === 'text' || \
                    getComputedStyle(document.activeElement).outlineStyle !== 'none'";
        assert_eq!(page.eval(ring).await, true, "{reached:?}: the focus is seen");
    }
    for id in ["send", "reset", "attach", "text"] {
        assert!(reached.iter().any(|reached| reached == id), "{id}: {reached:?}");
    }
    let nameless = "[...document.querySelectorAll('button, input, textarea, iframe')].filter((e) => !e.hidden && \
                    !e.getAttribute('aria-label') && !e.innerText).map((e) => e.outerHTML)";
    assert_eq!(page.eval(nameless).await, json!([]));
    assert_eq!(page.text("document.querySelector('#log').getAttribute('aria-live')").await, "polite");

    page.eval("document.querySelector('#send').focus()").await;
    page.press(" ").await;
    until_shown(&page, 2).await;
    page.eval("document.querySelector('#reset').focus()").await;
    page.press("Enter").await;
    page.until("document.querySelector('.notice')?.innerText.includes('new conversation')").await;
    says(&page, "again").await;
    page.until("[...document.querySelectorAll('.bot')].pop().innerText.includes('Turn 1')").await;
    page.is_clean().await;
}

#[tokio::test]
async fn it_fits_a_phone_and_speaks_taiwans_chinese() {
    let Some(browser) = Browser::get() else { return };
    let bridge = playground().start().await;
    let page = browser.page().await;
    page.size(320, 568, true).await;
    page.open(&bridge.url("/chat?lang=zh-TW")).await;
    is_connected(&page).await;
    assert_eq!(page.text("document.documentElement.lang").await, "zh-TW");
    assert_eq!(page.text("document.querySelector('#connection').innerText").await, "線上");
    says(&page, "這是什麼？").await;
    until_shown(&page, 2).await;
    says(&page, &format!("{} https://example.com/{}", "長".repeat(200), "x".repeat(200))).await;
    until_shown(&page, 4).await;
    super::answers(
        &bridge,
        "```\nshort\n```\n\n| a | b | c | d |\n|-|-|-|-|\n| xxxxxxxxxxxx | xxxxxxxxxxxx | xxxxxxxxxxxxx | xxxxxxx |",
    );
    says(&page, "寬").await;
    until_shown(&page, 6).await;
    page.shows("phone-zh").await;
    let wide = "[document.scrollingElement, document.querySelector('#scroll'), ...document.querySelectorAll('.bubble')]\
                .filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.outerHTML.slice(0, 200))";
    assert_eq!(page.eval(wide).await, json!([]));
    // Smaller, and phones enlarge the page when it is touched.
    assert!(
        page.eval("parseFloat(getComputedStyle(document.querySelector('#text')).fontSize)").await.as_f64()
            >= Some(16.0)
    );
    let small = "[...document.querySelectorAll('header button, .row button')].filter((b) => b.offsetWidth && b.offsetWidth < 44).length";
    assert_eq!(page.eval(small).await, 0, "a finger needs room");
    page.emulates("prefers-color-scheme", "dark").await;
    page.until("getComputedStyle(document.body).backgroundColor === 'rgb(16, 18, 24)'").await;
    page.shows("phone-zh-dark").await;
    page.emulates("prefers-reduced-motion", "reduce").await;
    page.until("getComputedStyle(document.querySelector('.dots i')).animationName === 'none'").await;

    // The notices of the bridge come in the page's language.
    page.eval("document.querySelector('#reset').click()").await;
    page.until("document.querySelector('.notice')").await;
    assert_eq!(shown(&page).await.pop().unwrap(), "notice: 好的，已經開始新的對話。");
    page.is_clean().await;
}
