// The chat page, and the inside of the widget. Here its parts meet: `session` who this is, `stream` what is said, `outbox` what is
// on its way, `log` what is shown, `composer` where it is written, `safe` how an answer's HTML becomes elements, `words`.

import { Composer } from "./composer.js";
import { Log } from "./log.js";
import { Outbox } from "./outbox.js";
import { Refused, host, isWidget, session } from "./session.js";
import { Stream } from "./stream.js";
import { explain, lang, say } from "./words.js";

const page = (id) => document.getElementById(id);

/** How many messages without an answer are asked after, once the page has caught up. */
const ASKED_AFTER = 5;

/** Messages that have not ended, and those that have: a request's answer may be slower than the stream. */
const pending = new Set();
const ended = new Set();

let isCaughtUp = false;

function label() {
  const title = new URLSearchParams(location.search).get("title")?.slice(0, 80) || say("title");
  document.documentElement.lang = lang;
  document.title = title;
  page("title").textContent = title;
  page("empty").querySelector("h2").textContent = say("emptyTitle");
  page("empty").querySelector("p").textContent = say("emptyText");
  page("text").placeholder = say("placeholder");
  page("text").setAttribute("aria-label", say("placeholder"));
  page("drop").firstElementChild.textContent = say("drop");
  page("scroll").setAttribute("aria-label", title);
  for (const id of ["reset", "close", "attach", "send", "newest"]) {
    page(id).setAttribute("aria-label", say(id));
    page(id).title = say(id);
  }
  page("viewer").querySelector("button").setAttribute("aria-label", say("close"));
  page("close").hidden = !isWidget;
}

const log = new Log();

const outbox = new Outbox({
  changed: (item) => log.outgoing(item),
  dropped: (item) => log.drop(item),
  accepted(item, id, view) {
    log.accepted(item, id);
    if (view && view.state !== "pending") ended.add(id);
    if (!ended.has(id)) pending.add(id);
    waits();
  },
});
log.outbox = outbox;

const composer = new Composer(async (text, images) => {
  // A connection that is at rest or between two attempts is wanted now.
  stream.now();
  outbox.now();
  await outbox.add(text, images, lang);
});

const stream = new Stream({
  connection: connected,
  message(data) {
    if (log.message(data) && isCaughtUp && data.from !== "user") host.tell("unread");
    if (data.from === "user" && isCaughtUp && data.message && !ended.has(data.message)) pending.add(data.message);
    waits();
  },
  reset: forget,
  state(data) {
    pending.clear();
    for (const id of data.pending) pending.add(id);
    isCaughtUp = true;
    log.caughtUp();
    waits();
    askAfter();
  },
  ended({ message, state, reason }) {
    ended.add(message);
    pending.delete(message);
    end(message, state, reason);
    waits();
  },
  refused(error) {
    // A token that was good once has come to its end, whatever ended it.
    const code = error.code === "unauthorized" && session.owner !== null ? "session_expired" : error.code;
    composer.tell(error.retryAfter ? "" : explain(code));
  },
});
stream.isWanted = () => pending.size > 0 || !outbox.isEmpty;

/** Drops what was said so far: the server does not have it any more, or it was said to somebody else. */
function forget() {
  isCaughtUp = false;
  pending.clear();
  ended.clear();
  log.forget();
  waits();
}

session.changed = () => {
  outbox.anew();
  stream.anew();
  forget();
};

function waits() {
  log.waiting = pending.size > 0;
}

function connected(how) {
  page("connection").textContent = say(how);
  page("connection").dataset.how = how;
  if (how !== "connected") return;
  composer.tell("");
  outbox.now();
}

/** Nothing was said and nothing will be: that is said here. */
function end(id, state, reason) {
  if ((state === "dropped" || state === "dead") && !log.isAnswered(id)) log.unansweredFor(id, reason);
}

/** How those ended that have no answer although none is awaited: it was told while this page was away. */
async function askAfter() {
  for (const id of log.unanswered(ASKED_AFTER)) {
    if (pending.has(id) || ended.has(id)) continue;
    const response = await session.fetch(`v1/messages/${id}`).catch(() => null);
    if (!response?.ok) continue;
    const { state, reason } = await response.json();
    ended.add(id);
    end(id, state, reason);
  }
}

page("reset").addEventListener("click", async () => {
  try {
    const headers = { prefer: "respond-async" };
    const response = await session.fetch(session.path("reset"), { method: "POST", headers });
    if (!response.ok) throw await Refused.from(response);
    composer.tell("");
  } catch (error) {
    composer.tell(explain(error.code ?? "unavailable"));
  }
  composer.focus();
});

page("close").addEventListener("click", () => host.tell("close"));

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && isWidget && !page("viewer").open && !event.isComposing) host.tell("close");
});

addEventListener("message", (event) => {
  if (isWidget && event.source === parent && event.data?.caigunn === "opened") composer.focus();
});

label();
connected("connecting");
composer.focus();
stream.run();

/** The outbox waits for the name under which its messages were kept. */
for (;;) {
  try {
    await session.token();
    await outbox.open();
    break;
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}
