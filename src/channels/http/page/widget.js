// The chat widget: a button in the corner of a page, and behind it the chat in a frame of the bridge's own origin. What this page
// could not have the frame keeps to itself: here is only the visitor's token, which goes to the frame and nowhere else.

(() => {
  "use strict";

  /** How long the frame may take to say its first word, in milliseconds. */
  const READY_WITHIN = 10_000;

  const script = document.currentScript;
  if (!script || window.caigunnChat) return;

  const base = new URL(".", script.src);
  const { token, tokenUrl, title } = script.dataset;
  const tag = script.dataset.lang || navigator.languages.find((tag) => /^(en|zh)/i.test(tag)) || "en";
  const isChinese = /^zh/i.test(tag) && !/hans|cn|sg|my/i.test(tag);
  const words = isChinese ? { open: "開啟聊天", close: "關閉聊天", title: "聊天" } : { open: "Open chat", close: "Close chat", title: "Chat" };

  // A strict policy of the host page forbids inline styles; sheets that a script constructs are no inline styles.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :host { all: initial; position: fixed; z-index: 2147483000; inset: auto 0 0 auto; color-scheme: light dark; }
    :host(:not([hidden])) { display: block; }
    button { position: fixed; right: max(20px, env(safe-area-inset-right)); bottom: max(20px, env(safe-area-inset-bottom));
      display: grid; place-items: center; width: 60px; height: 60px; padding: 0; border: 0; border-radius: 50%; cursor: pointer;
      background: #2f5bea; color: #fff; box-shadow: 0 4px 18px rgb(20 30 60 / 28%); transition: transform .15s, background-color .15s; }
    button:hover { background: #2348c4; transform: scale(1.05); }
    button:focus-visible { outline: 3px solid #fff; outline-offset: -6px; }
    svg { width: 28px; height: 28px; fill: none; stroke: currentcolor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round; }
    .unread::after { content: ""; position: absolute; top: 2px; right: 2px; width: 14px; height: 14px; border: 2px solid #fff; border-radius: 50%; background: #d93025; }
    iframe { position: fixed; right: max(20px, env(safe-area-inset-right)); bottom: calc(max(20px, env(safe-area-inset-bottom)) + 74px);
      width: 400px; height: min(640px, 100dvh - 124px); border: 0; border-radius: 18px; background: Canvas;
      box-shadow: 0 12px 48px rgb(10 20 50 / 28%), 0 0 0 1px rgb(120 130 150 / 18%); }
    iframe[hidden] { display: none; }
    @media (max-width: 480px), (max-height: 420px) {
      iframe { inset: 0; width: 100vw; height: 100dvh; border-radius: 0; }
      .open { display: none; }
    }
    @media (prefers-reduced-motion: no-preference) {
      iframe:not([hidden]) { animation: rise .18s ease-out; }
      @keyframes rise { from { opacity: 0; transform: translateY(12px); } }
    }
    @media (prefers-reduced-motion: reduce) { button { transition: none; } }
  `);

  const host = document.createElement("caigunn-chat");
  const shadow = host.attachShadow({ mode: "closed" });
  shadow.adoptedStyleSheets = [sheet];
  const button = document.createElement("button");
  button.type = "button";
  shadow.append(button);
  let frame = null;
  let isReady = false;
  let isOpen = false;

  function draw(path) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    line.setAttribute("d", path);
    svg.append(line);
    button.replaceChildren(svg);
  }

  function show() {
    const label = isOpen ? words.close : words.open;
    button.setAttribute("aria-label", label);
    button.setAttribute("aria-expanded", String(isOpen));
    button.title = label;
    button.classList.toggle("open", isOpen);
    if (frame) frame.hidden = !isOpen;
    draw(isOpen
      ? "m6 9 6 6 6-6"
      : "M12 3.5c5 0 9 3.4 9 7.7s-4 7.7-9 7.7c-1 0-2-.1-2.9-.4L5 20.6l.7-3.5C4 15.7 3 13.6 3 11.2c0-4.3 4-7.7 9-7.7ZM8.5 11.3h.01M12 11.3h.01M15.5 11.3h.01");
  }

  function load() {
    const address = new URL("widget", base);
    address.searchParams.set("lang", isChinese ? "zh-TW" : "en");
    if (title) address.searchParams.set("title", title);
    frame = document.createElement("iframe");
    frame.title = title || words.title;
    frame.allow = "clipboard-write";
    frame.referrerPolicy = "no-referrer";
    frame.src = address.href;
    shadow.append(frame);
    // A browser does not tell a page that it has refused to show a frame.
    setTimeout(() => {
      if (!isReady) console.warn(`caigunn chat: ${base.origin} shows no chat here: is this origin, ${location.origin}, listed in \`origins\`?`);
    }, READY_WITHIN);
  }

  /** The visitor's token: as it stands in the tag, or asked of the site, which knows the visitor by a cookie. */
  async function fetchToken() {
    if (!tokenUrl) return token;
    const response = await fetch(new URL(tokenUrl, document.baseURI), { method: "POST", credentials: "same-origin", headers: { accept: "application/json" } });
    if (!response.ok) throw new Error(`${response.status}`);
    return (await response.json()).token;
  }

  function tell(message) {
    // To the bridge's origin only: were the frame led elsewhere, nobody there would hear it.
    frame?.contentWindow?.postMessage(message, base.origin);
  }

  addEventListener("message", async (event) => {
    if (!frame || event.source !== frame.contentWindow || event.origin !== base.origin) return;
    isReady = true;
    switch (event.data?.caigunn) {
      case "token":
        try {
          tell({ caigunn: "token", token: await fetchToken() });
        } catch (error) {
          console.warn("caigunn chat: no token from", tokenUrl, error);
          tell({ caigunn: "token", token: null });
        }
        break;
      case "close":
        window.caigunnChat.close();
        break;
      case "unread":
        if (!isOpen) button.classList.add("unread");
    }
  });

  function set(open) {
    if (open === isOpen) return;
    isOpen = open;
    if (open && !frame) load();
    if (open) button.classList.remove("unread");
    show();
    if (open) {
      frame.focus();
      // One that is still loading takes the focus by itself.
      if (isReady) tell({ caigunn: "opened" });
    } else {
      button.focus();
    }
  }

  window.caigunnChat = Object.freeze({
    open: () => set(true),
    close: () => set(false),
    toggle: () => set(!isOpen),
  });

  button.addEventListener("click", window.caigunnChat.toggle);
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isOpen && shadow.activeElement) set(false);
  });
  show();
  const attach = () => document.body.append(host);
  if (document.body) attach();
  else addEventListener("DOMContentLoaded", attach);
})();
