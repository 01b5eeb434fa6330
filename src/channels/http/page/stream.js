// What is said, as it is said: the conversation's Server-Sent Events, read with `fetch` since EventSource cannot send a token.
// A stream that breaks is taken up where it broke: nothing is missed, nothing comes twice.

import { Refused, session } from "./session.js";

/** How many messages a page begins with. */
const FIRST = 50;

/** A comment comes every 15 seconds: after two without one the connection is dead, whatever it says. */
const SILENCE = 35_000;

/** An answer begins at once, or the connection is one that died while it was not used. */
const HUSH = 10_000;

/** A page that nobody looks at gives its connection back: browsers have six per site, for all tabs together. */
const UNSEEN = 60_000;

/** Refusals that waiting does not mend: another attempt is made (the page's site may have another token by then), and not promised. */
const FINAL = new Set(["unauthorized", "session_expired", "not_allowed"]);

const MIN_PAUSE = 500;
const MAX_PAUSE = 20_000;

export class Stream {
  #handlers;
  #last = 0;
  #abort = null;
  #wake = () => {};
  #heardAt = 0;
  #isOpen = false;
  #failures = 0;
  #seenAt = Date.now();
  /** Whether it was given back because nobody looks. */
  #rests = false;
  /** How long the server wants to be left alone, in milliseconds. */
  #atLeast = 0;
  /** Whether an answer is awaited: then the stream stays open unseen. */
  isWanted = () => false;

  /** `handlers`: `message`, `state`, `ended` with their data; `reset`; `connection` with `connecting`, `connected`, `offline`, `refused`; `refused`. */
  constructor(handlers) {
    this.#handlers = handlers;
    addEventListener("online", () => this.now());
    addEventListener("offline", () => this.#abort?.abort());
    addEventListener("pageshow", () => this.now());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.now();
    });
    // One clock for both: timers of a page in the background are slow, and a computer may have slept.
    setInterval(() => this.#look(), 5000);
  }

  /** Connects and stays connected for as long as the page lives. */
  async run() {
    for (;;) {
      let how = "offline";
      try {
        await this.#read();
        this.#failures = Math.max(1, this.#failures);
      } catch (error) {
        this.#failures += 1;
        if (error instanceof Refused) {
          this.#handlers.refused(error);
          if (FINAL.has(error.code)) how = "refused";
        }
        this.#atLeast = error.retryAfter ?? 0;
      }
      this.#handlers.connection(how);
      await this.#pause();
    }
  }

  /** Tries at once instead of at the end of the pause, and cuts a stream that has been silent. */
  now() {
    this.#wake();
    this.#look();
  }

  /** Somebody else is here: begins with that conversation's newest messages. */
  anew() {
    this.#last = 0;
    if (this.#isOpen) this.#abort.abort();
  }

  async #pause() {
    const most = Math.min(MAX_PAUSE, MIN_PAUSE * 2 ** (this.#failures - 1));
    const pause = Math.max(this.#atLeast, most * (0.5 + Math.random() / 2));
    await new Promise((resolve) => {
      // At rest until somebody looks; else until the pause is over.
      const timer = this.#rests ? 0 : setTimeout(resolve, pause);
      // A server that said "later" is left alone until then.
      this.#wake = this.#atLeast ? () => {} : () => (clearTimeout(timer), resolve());
    });
    this.#wake = () => {};
    this.#atLeast = 0;
    this.#rests = false;
  }

  #look() {
    const now = Date.now();
    if (!document.hidden || this.isWanted()) this.#seenAt = now;
    if (!this.#abort) return;
    if (now - this.#heardAt > (this.#isOpen ? SILENCE : HUSH)) {
      this.#abort.abort();
    } else if (now - this.#seenAt > UNSEEN) {
      this.#rests = true;
      this.#abort.abort();
    }
  }

  async #read() {
    this.#abort = new AbortController();
    this.#heardAt = Date.now();
    try {
      await session.token();
      this.#heardAt = Date.now();
      const { owner } = session;
      const headers = { accept: "text/event-stream" };
      let query = "html=true";
      if (this.#last) headers["last-event-id"] = String(this.#last);
      else query += `&last=${FIRST}`;
      const options = { headers, signal: this.#abort.signal };
      const response = await session.fetch(session.path(`events?${query}`), options);
      if (owner !== session.owner) throw new Error("another user");
      if (!response.ok) throw await Refused.from(response);
      this.#isOpen = true;
      this.#handlers.connection("connected");
      await this.#events(response.body.getReader());
    } finally {
      this.#abort = null;
      this.#isOpen = false;
    }
  }

  async #events(reader) {
    const decoder = new TextDecoder();
    let rest = "";
    let event = { type: "", data: [] };
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      this.#heardAt = Date.now();
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop();
      for (const raw of lines) {
        const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
        if (line === "") {
          if (event.data.length) await this.#event(event.type, JSON.parse(event.data.join("\n")));
          event = { type: "", data: [] };
        } else {
          // U+2028 is a line's end to a regular expression, and none here: `s`.
          const [, field, text] = /^([^:]*):? ?(.*)$/s.exec(line);
          if (field === "event") event.type = text;
          if (field === "data") event.data.push(text);
        }
      }
    }
  }

  async #event(type, data) {
    switch (type) {
      case "message":
        this.#last = data.n;
        return this.#handlers.message(data);
      case "reset":
        this.#last = 0;
        return this.#handlers.reset();
      case "state":
        this.#failures = 0;
        return this.#handlers.state(data);
      case "ended":
        return this.#handlers.ended(data);
      case "expired":
        session.expire(await session.token());
    }
  }
}
