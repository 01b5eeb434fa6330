//! One page (or a frame in one) of the browser.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Browser;
use crate::support::PATIENCE;

/// Any script that was not meant to run tells on itself: what is used to show that it could is replaced in every document.
const CANARY: &str = "window.ran = []; for (const name of ['alert', 'confirm', 'prompt', 'print', 'canary']) \
    window[name] = (...args) => { window.ran.push(name + ' ' + args.join()); };";

pub(in crate::face) struct Page {
    browser: Arc<Browser>,
    session: String,
    context: String,
}

impl Page {
    pub(super) async fn attached(browser: &Arc<Browser>, session: &str, context: &str) -> Self {
        let page = Self { browser: Arc::clone(browser), session: session.to_owned(), context: context.to_owned() };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.command(&format!("{domain}.enable"), json!({})).await;
        }
        page.command("Page.addScriptToEvaluateOnNewDocument", json!({ "source": CANARY })).await;
        // Frames of other sites are processes of their own; they are attached to as they come.
        let attach = json!({ "autoAttach": true, "waitForDebuggerOnStart": false, "flatten": true });
        page.command("Target.setAutoAttach", attach).await;
        page
    }

    pub(in crate::face) async fn command(&self, method: &str, params: Value) -> Value {
        self.browser.command(Some(&self.session), method, params).await
    }

    /// A further tab with the same storage.
    pub(in crate::face) async fn tab(&self) -> Self {
        self.browser.page_in(&self.context).await
    }

    /// The frame of another site in this page.
    pub(in crate::face) async fn frame(&self) -> Self {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let frames = self.browser.events(&self.session, "Target.attachedToTarget");
            if let Some(frame) = frames.iter().rfind(|frame| frame["targetInfo"]["type"] == "iframe") {
                return Self::attached(&self.browser, frame["sessionId"].as_str().unwrap(), "").await;
            }
            assert!(Instant::now() < deadline, "no frame: {:?}", self.problems());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(in crate::face) async fn open(&self, url: &str) {
        let opened = self.command("Page.navigate", json!({ "url": url })).await;
        assert!(opened.get("errorText").is_none(), "{url}: {opened}");
    }

    pub(in crate::face) async fn reload(&self) {
        // A mark that the new document does not have: conditions must not be met by the old one.
        self.eval("window.isOld = true").await;
        self.command("Page.reload", json!({})).await;
        self.until("!window.isOld").await;
    }

    /// The value of an expression; a promise is waited for.
    pub(in crate::face) async fn eval(&self, expression: &str) -> Value {
        let params =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true });
        let mut answer = self.command("Runtime.evaluate", params).await;
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    pub(in crate::face) async fn text(&self, expression: &str) -> String {
        self.eval(expression).await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true.
    pub(in crate::face) async fn until(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        let params = json!({ "expression": format!("Boolean({expression})"), "returnByValue": true });
        loop {
            // A document that is just being replaced cannot be asked.
            let answer = self.browser.tries(Some(&self.session), "Runtime.evaluate", params.clone()).await;
            if answer.is_ok_and(|answer| answer["result"]["value"] == true) {
                return;
            }
            if Instant::now() > deadline {
                let seen = self.eval("document.body.innerText.slice(0, 2000)").await;
                panic!(
                    "still not: {expression}\nproblems: {:#?}\npage: {seen}\nshown: {:#?}",
                    self.problems(),
                    self.eval("[...document.querySelectorAll('.message')].map((m) => m.className + m.innerText)").await
                );
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Types into what has the focus.
    pub(in crate::face) async fn types(&self, text: &str) {
        self.command("Input.insertText", json!({ "text": text })).await;
    }

    /// Presses a key: `Enter`, `Tab`, `Escape`, with `Shift+` before it if so.
    pub(in crate::face) async fn press(&self, name: &str) {
        let (modifiers, key) = name.strip_prefix("Shift+").map_or((0, name), |key| (8, key));
        let (code, text) = match key {
            "Enter" => (13, Some("\r")),
            "Tab" => (9, None),
            "Escape" => (27, None),
            " " => (32, Some(" ")),
            other => panic!("{other} is no key of ours"),
        };
        self.key(json!({ "key": key, "windowsVirtualKeyCode": code, "text": text, "modifiers": modifiers })).await;
    }

    pub(in crate::face) async fn key(&self, mut event: Value) {
        event["type"] = "keyDown".into();
        event.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.command("Input.dispatchKeyEvent", event.clone()).await;
        event["type"] = "keyUp".into();
        event.as_object_mut().unwrap().remove("text");
        self.command("Input.dispatchKeyEvent", event).await;
    }

    /// Clicks in the middle of an element, as a mouse does.
    pub(in crate::face) async fn click(&self, selector: &str) {
        let place = format!(
            "(() => {{ const r = document.querySelector({selector:?}).getBoundingClientRect(); \
             return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
        );
        let place = self.eval(&place).await;
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.command("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Chooses files in an `<input type="file">`.
    pub(in crate::face) async fn choose(&self, selector: &str, files: &[&Path]) {
        let document = self.command("DOM.getDocument", json!({})).await;
        let query = json!({ "nodeId": document["root"]["nodeId"], "selector": selector });
        let node = self.command("DOM.querySelector", query).await;
        self.command("DOM.setFileInputFiles", json!({ "nodeId": node["nodeId"], "files": files })).await;
    }

    pub(in crate::face) async fn size(&self, width: u32, height: u32, is_phone: bool) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone });
        self.command("Emulation.setDeviceMetricsOverride", size).await;
    }

    pub(in crate::face) async fn emulates(&self, feature: &str, value: &str) {
        let features = json!({ "features": [{ "name": feature, "value": value }] });
        self.command("Emulation.setEmulatedMedia", features).await;
    }

    /// Requests to these addresses (with `*`) fail from now on.
    pub(in crate::face) async fn blocks(&self, urls: &[&str]) {
        self.command("Network.setBlockedURLs", json!({ "urls": urls })).await;
    }

    /// Writes what is seen into the folder that `SCREENSHOTS` names, for looking at it.
    pub(in crate::face) async fn shows(&self, name: &str) {
        let Some(folder) = std::env::var_os("SCREENSHOTS") else { return };
        let picture = self.command("Page.captureScreenshot", json!({ "format": "png" })).await;
        let picture = picture["data"].as_str().unwrap();
        let picture = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, picture).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), picture).unwrap();
    }

    /// Where requests went, as URLs of http and https.
    pub(in crate::face) fn requests(&self) -> Vec<String> {
        let sent = self.browser.events(&self.session, "Network.requestWillBeSent");
        let urls = sent.iter().map(|sent| sent["request"]["url"].as_str().unwrap().to_owned());
        urls.filter(|url| url.starts_with("http")).collect()
    }

    /// What went wrong in the page's own eyes: exceptions, errors on the console, violations of the policy. Requests that
    /// failed are not among it.
    pub(in crate::face) fn problems(&self) -> Vec<String> {
        let events = |method| self.browser.events(&self.session, method).into_iter();
        let thrown = events("Runtime.exceptionThrown").map(|event| event["exceptionDetails"].to_string());
        let said = events("Runtime.consoleAPICalled").filter(|event| event["type"] != "log");
        let logged = events("Log.entryAdded").filter(|event| event["entry"]["source"] != "network");
        let thrown = thrown.chain(events("Page.javascriptDialogOpening").map(|event| event.to_string()));
        thrown.chain(said.map(|event| event.to_string())).chain(logged.map(|event| event.to_string())).collect()
    }

    /// Nothing went wrong, and no script ran that was not meant to.
    pub(in crate::face) async fn is_clean(&self) {
        assert_eq!(self.problems(), [""; 0]);
        // A frame that was there before it was attached to has the real `alert`, whose dialog would be among the problems.
        assert_eq!(self.eval("window.ran ?? []").await, json!([]));
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if !self.context.is_empty() {
            // No answer is waited for: a context that a second tab's end has closed already is as good.
            let close = json!({ "browserContextId": self.context });
            self.browser.write(&json!({ "id": 0, "method": "Target.disposeBrowserContext", "params": close }));
        }
    }
}
