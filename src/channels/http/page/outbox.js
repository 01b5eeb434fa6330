// What was written and is not yet with the server. It is kept until the server has it, over a reload too; each message has
// an Idempotency-Key of its own, so that sending it again is safe, from two tabs as well.

import { PATIENCE, Refused, isWidget, session } from "./session.js";

const MIN_PAUSE = 1000;
const MAX_PAUSE = 20_000;

/** Refusals that mean "later" are waited out so often; then the person decides. */
const ATTEMPTS = 6;

/** The slowest line that pictures are waited for on, in bytes a millisecond. */
const SLOWEST = 20;

export class Outbox {
  #items = [];
  #handlers;
  #kept;
  #running = false;
  #wake = () => {};

  /** `handlers`: `changed(item)`, `dropped(item)`, `accepted(item, id, view)`. An item: `{key, text, images, lang, state, code}` with the state
   * `sending`, `waiting` (it is tried again by itself; `code` says why, if the server did) or `failed`. */
  constructor(handlers) {
    this.#handlers = handlers;
    addEventListener("online", () => this.#wake());
  }

  /** Takes up what was kept before a reload. */
  async open() {
    const kept = await Kept.open(session.owner);
    const before = await kept.all();
    // Written while it was not known yet who writes.
    for (const item of this.#items) await kept.put(item);
    for (const item of before) this.#items.push({ ...item, state: "sending", code: null, attempts: 0 });
    this.#kept = kept;
    this.#items.sort((a, b) => a.at - b.at);
    for (const item of this.#items) this.#handlers.changed(item);
    this.#run();
  }

  /** Somebody else is here. A guest whom the server has forgotten is still the same person; the widget's visitor is not. */
  async anew() {
    if (isWidget) {
      for (const item of this.#items) this.#handlers.dropped(item);
      this.#items = [];
    }
    if (this.#kept) await this.open();
  }

  get isEmpty() {
    return !this.#items.some((item) => item.state !== "failed");
  }

  /** `images`: `{name, type, bytes}`. */
  async add(text, images, lang) {
    // Two of one millisecond keep their order.
    const at = Math.max(Date.now(), (this.#items.at(-1)?.at ?? 0) + 1);
    const item = { key: makeKey(), at, text, images, lang, state: "sending", code: null, attempts: 0 };
    this.#items.push(item);
    this.#handlers.changed(item);
    // On disk first: a page that is closed in the next moment has lost nothing.
    await this.#kept?.put(item);
    this.#run();
  }

  again(item) {
    Object.assign(item, { state: "sending", code: null, attempts: 0 });
    this.#handlers.changed(item);
    this.#wake();
    this.#run();
  }

  async remove(item) {
    this.#items = this.#items.filter((other) => other !== item);
    await this.#kept?.remove(item.key);
  }

  /** Tries now instead of at the end of a pause. */
  now() {
    this.#wake();
  }

  /** One after another, in the order in which they were written. */
  async #run() {
    if (this.#running || !this.#kept) return;
    this.#running = true;
    for (let item; (item = this.#items.find((item) => item.state !== "failed")); ) {
      try {
        const { id, view } = await attempt(item);
        await this.remove(item);
        this.#handlers.accepted(item, id, view);
      } catch (error) {
        // Of who was here before.
        if (!this.#items.includes(item)) continue;
        if (!(await this.#failed(item, error))) item.state = "failed";
        this.#handlers.changed(item);
      }
    }
    this.#running = false;
  }

  /** Whether it is worth another attempt; then the pause before it is over. */
  async #failed(item, error) {
    item.attempts += 1;
    const refused = error instanceof Refused ? error : null;
    // Nobody answered: that is waited out for as long as it takes. A proxy that answers for a server which is away counts as nobody.
    const isAway = !refused || [502, 504].includes(refused.status);
    const isLater = refused && [408, 409, 425, 429, 503].includes(refused.status);
    item.code = refused && !isAway ? refused.code : null;
    // A server hangs up on a body that is too large, and a browser reads that as a broken line.
    if (isAway && item.images.length && item.attempts >= 3 && (await isReachable())) {
      item.code = "too_large";
      return false;
    }
    if (refused?.code === "session_expired" && isWidget && item.attempts < ATTEMPTS) return this.#pause(item, 0);
    if (!isAway && !(isLater && item.attempts < ATTEMPTS)) return false;
    return this.#pause(item, refused?.retryAfter ?? 0);
  }

  async #pause(item, atLeast) {
    item.state = "waiting";
    this.#handlers.changed(item);
    const most = Math.min(MAX_PAUSE, MIN_PAUSE * 2 ** (item.attempts - 1));
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(atLeast, most * (0.5 + Math.random() / 2)));
      // A server that said "later" is left alone until then.
      this.#wake = atLeast ? () => {} : () => (clearTimeout(timer), resolve());
    });
    this.#wake = () => {};
    return true;
  }
}

/** One request. Answers with the message's id once the server has it. */
async function attempt(item) {
  const headers = { prefer: "respond-async", "idempotency-key": item.key };
  let body;
  if (item.images.length) {
    body = new FormData();
    if (item.text) body.append("text", item.text);
    body.append("lang", item.lang);
    for (const { name, type, bytes } of item.images) body.append("images", new Blob([bytes], { type }), name);
  } else {
    headers["content-type"] = "application/json";
    body = JSON.stringify({ text: item.text, lang: item.lang });
  }
  const size = item.images.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  const options = { method: "POST", headers, body, signal: AbortSignal.timeout(PATIENCE + size / SLOWEST) };
  const response = await session.fetch("v1/messages", options);
  // It is there already: an earlier attempt, or another tab, had got through.
  const known = response.status === 409 && response.headers.get("location")?.split("/").pop();
  if (known) return { id: known };
  if (!response.ok) throw await Refused.from(response);
  const view = await response.json();
  return { id: view.id, view };
}

/** Whether the server answers at all. */
async function isReachable() {
  try {
    return (await session.fetch("v1/session", { signal: AbortSignal.timeout(PATIENCE) })).ok;
  } catch {
    return false;
  }
}

function makeKey() {
  // `randomUUID` is for pages over HTTPS only.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The messages on the browser's disk (pictures are too large for localStorage), or nowhere, where that is forbidden. */
class Kept {
  #database;
  #owner;

  static async open(owner) {
    const kept = new Kept();
    kept.#owner = owner;
    kept.#database = await new Promise((resolve) => {
      let opening;
      try {
        opening = indexedDB.open(`caigunn-bridge ${new URL(".", location.href).pathname}`, 1);
      } catch {
        return resolve(null);
      }
      opening.onupgradeneeded = () => opening.result.createObjectStore("outbox", { keyPath: "key" });
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => resolve(null);
    });
    return kept;
  }

  /** What this user wrote: another person's messages are not sent in this one's name. */
  async all() {
    const items = (await this.#ask("readonly", (store) => store.getAll())) ?? [];
    return items.filter((item) => item.owner === this.#owner);
  }

  put({ key, at, text, images, lang }) {
    return this.#ask("readwrite", (store) => store.put({ key, at, text, images, lang, owner: this.#owner }));
  }

  remove(key) {
    return this.#ask("readwrite", (store) => store.delete(key));
  }

  #ask(mode, work) {
    return new Promise((resolve) => {
      if (!this.#database) return resolve(null);
      const transaction = this.#database.transaction("outbox", mode);
      const request = work(transaction.objectStore("outbox"));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = transaction.onerror = () => resolve(null);
    });
  }
}
