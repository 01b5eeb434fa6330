// Who this page is: a guest of the chat page with a token of its own, or, in the widget, whoever the host page's token names.

const root = document.documentElement;
export const isWidget = root.dataset.dress === "widget";

/** Everything is relative to where the page lies: below a path, behind a proxy. */
const base = new URL(".", location.href);

/** Renewed so long before its end, in seconds. */
const MARGIN = 60;

/** How long an answer may take, in milliseconds. A browser takes a connection that has died for one that is slow. */
export const PATIENCE = 20_000;

/** Where the guest's token is kept. Without storage the guest is a new one after a reload. */
const SLOT = `caigunn-bridge ${base.pathname} guest`;

export function address(path) {
  return new URL(path, base);
}

/** Something the server answered that is no success: a code of its error catalogue. */
export class Refused extends Error {
  constructor(status, code, retryAfter) {
    super(code);
    this.status = status;
    this.code = code;
    /** Milliseconds. */
    this.retryAfter = retryAfter;
  }

  static async from(response) {
    const problem = await response.json().catch(() => ({}));
    const seconds = Number(response.headers.get("retry-after") ?? problem.retry_after);
    return new Refused(response.status, String(problem.code ?? "internal"), Math.max(0, seconds || 0) * 1000);
  }
}

export const store = {
  get(key) {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(key, value);
    } catch {
      // Forbidden or full: the page works without.
    }
  },
};

class Session {
  #token = null;
  #endsAt = 0;
  #renewing = null;
  user = null;
  conversation = null;
  /** Called when this session is another user's than before: the guest is forgotten, or the host page has another visitor. */
  changed = () => {};

  /** The token, renewed before it ends. Requests at the same time share one renewal. */
  async token() {
    if (this.#token && Date.now() < this.#endsAt) return this.#token;
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = null));
    await this.#renewing;
    return this.#token;
  }

  /** Whose session this is, once that is known. */
  get owner() {
    return this.user === null ? null : `${this.user} ${this.conversation ?? ""}`;
  }

  /** The server has refused this token. */
  expire(token) {
    if (this.#token === token) this.#endsAt = 0;
  }

  async #renew() {
    const session = isWidget ? await this.#ofHost() : await locked(() => this.#ofGuest());
    const before = this.owner;
    this.user = session.user;
    this.conversation = session.conversation ?? null;
    // A token that lives shorter than the margin is used for half its life.
    const seconds = Math.max(session.expires_in - MARGIN, session.expires_in / 2);
    this.#endsAt = Date.now() + seconds * 1000;
    this.#token = session.token;
    if (before !== null && before !== this.owner) this.changed();
  }

  async #ofGuest() {
    const old = store.get(SLOT);
    let response = await post("chat/session", old ? { token: old } : {});
    // What is kept there is no token of this bridge: begin anew.
    if (old && [400, 401, 403, 422].includes(response.status)) response = await post("chat/session", {});
    if (!response.ok) throw await Refused.from(response);
    const session = await response.json();
    store.set(SLOT, session.token);
    return session;
  }

  async #ofHost() {
    const token = await host.token();
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(address("v1/session"), { headers, signal: AbortSignal.timeout(PATIENCE) });
    if (!response.ok) throw await Refused.from(response);
    return { ...(await response.json()), token };
  }

  /** A request in this session's name; tried once more if the token turns out to have ended. */
  async fetch(path, options = {}) {
    const { owner } = this;
    for (let again = true; ; again = false) {
      const token = await this.token();
      // The path is the one of who was here before.
      if (owner !== null && owner !== this.owner) throw new Error("another user");
      const headers = { ...options.headers, authorization: `Bearer ${token}` };
      const response = await fetch(address(path), { ...options, headers, cache: "no-store" });
      if (response.status !== 401 || !again) return response;
      this.expire(token);
    }
  }

  /** The path of this session's conversation. */
  path(rest) {
    return `v1/conversations/${encodeURIComponent(this.user)}/${rest}`;
  }
}

function post(path, body) {
  const headers = { "content-type": "application/json" };
  const signal = AbortSignal.timeout(PATIENCE);
  return fetch(address(path), { method: "POST", headers, body: JSON.stringify(body), cache: "no-store", signal });
}

/** Tabs that are opened together shall be one guest. */
function locked(work) {
  return navigator.locks ? navigator.locks.request(SLOT, work) : work();
}

/** The page that holds the widget's frame. It says who the visitor is; nothing secret is ever told to it. */
export const host = {
  waiting: null,
  origins: (root.dataset.origins ?? "").split(" ").filter(Boolean),

  tell(type, more = {}) {
    if (isWidget) parent.postMessage({ caigunn: type, ...more }, "*");
  },

  /** Asks for a token; a fresh one, where the site has an address for that. */
  token() {
    this.waiting ??= Promise.withResolvers?.() ?? deferred();
    this.tell("token");
    return this.waiting.promise;
  },

  heard(event) {
    // Who may hold the frame is in its policy; who may speak to it is checked again here.
    if (event.source !== parent || !host.origins.includes(event.origin)) return;
    const { caigunn: type, token } = event.data ?? {};
    if (type !== "token" || !host.waiting) return;
    if (typeof token === "string" && token) host.waiting.resolve(token);
    else host.waiting.reject(new Refused(401, "no_session", 0));
    host.waiting = null;
  },
};

function deferred() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}

if (isWidget) addEventListener("message", host.heard);

export const session = new Session();
