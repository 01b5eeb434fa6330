// The server writes an answer's HTML from a short list of tags. The page does not trust that: what it shows are copies of
// elements and attributes on a list of its own, made one by one from a document in which nothing runs or loads.

import { say } from "./words.js";

const ELEMENTS = new Set(
  ("P BR HR H1 H2 H3 H4 H5 H6 EM STRONG DEL CODE PRE BLOCKQUOTE UL OL LI TABLE THEAD TBODY TR TH TD A INPUT").split(" "),
);

/** Deeper is shown as text. */
const MAX_DEPTH = 64;

const policy = globalThis.trustedTypes?.createPolicy("caigunn-inert", { createHTML: (html) => html });

/** The HTML as a fragment that can be put into the page. */
export function safe(html) {
  const inert = new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, "text/html");
  const fragment = document.createDocumentFragment();
  copy(inert.body, fragment, 0);
  return fragment;
}

function copy(from, to, depth) {
  for (const node of from.childNodes) {
    if (node.nodeType === Node.TEXT_NODE) {
      to.append(node.data);
    } else if (node.nodeType === Node.ELEMENT_NODE) {
      const made = depth < MAX_DEPTH && node.namespaceURI === "http://www.w3.org/1999/xhtml" && make(node);
      if (made) {
        copy(node, made.inner, depth + 1);
        to.append(made.outer);
      } else {
        to.append(node.textContent);
      }
    }
  }
}

/** A fresh element of the same name with what is allowed of its attributes; `inner` is where its children go. */
function make(node) {
  const name = node.tagName;
  if (!ELEMENTS.has(name)) return null;
  const element = document.createElement(name);
  switch (name) {
    case "A": {
      const url = destination(node.getAttribute("href"));
      if (!url) return inline();
      element.href = url;
      element.rel = "noopener noreferrer nofollow";
      element.target = "_blank";
      break;
    }
    case "INPUT":
      if (node.getAttribute("type") !== "checkbox") return null;
      element.type = "checkbox";
      element.disabled = true;
      element.checked = node.hasAttribute("checked");
      break;
    case "OL":
      if (/^\d{1,9}$/.test(node.getAttribute("start") ?? "")) element.start = Number(node.getAttribute("start"));
      break;
    case "TH":
    case "TD":
      if (/^(center|right)$/.test(node.getAttribute("align") ?? "")) element.className = node.getAttribute("align");
      break;
    case "TABLE":
      return framed("scroller", element);
    case "PRE":
      return block(element, node);
  }
  return { outer: element, inner: element };
}

/** A link that leads nowhere good is its text. */
function inline() {
  const span = document.createElement("span");
  return { outer: span, inner: span };
}

function framed(name, element) {
  const frame = document.createElement("div");
  frame.className = name;
  // What scrolls must be reachable without a mouse.
  frame.tabIndex = 0;
  frame.append(element);
  return { outer: frame, inner: element };
}

function destination(href) {
  const url = URL.parse?.(href ?? "") ?? parsed(href);
  return url && ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
}

function parsed(href) {
  try {
    return new URL(href);
  } catch {
    return null;
  }
}

/** A block of code with its language and a button that copies it. */
function block(pre, node) {
  const figure = document.createElement("div");
  figure.className = "code";
  const bar = document.createElement("div");
  bar.className = "bar";
  const language = /^language-([\w+#.-]{1,32})$/.exec(node.firstElementChild?.className ?? "")?.[1] ?? "";
  const label = document.createElement("span");
  label.textContent = language;
  const button = document.createElement("button");
  button.type = "button";
  button.append(icon("copy"), say("copy"));
  button.addEventListener("click", async () => {
    await put(pre.textContent);
    button.replaceChildren(icon("check"), say("copied"));
    setTimeout(() => button.replaceChildren(icon("copy"), say("copy")), 2000);
  });
  bar.append(label, button);
  pre.tabIndex = 0;
  figure.append(bar, pre);
  return { outer: figure, inner: pre };
}

async function put(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without HTTPS there is no clipboard API.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "unseen";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

/** One of the page's own drawings. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}
