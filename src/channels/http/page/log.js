// What is shown: messages in the order of their numbers, below them what is not with the server yet.

import { icon, safe } from "./safe.js";
import { session } from "./session.js";
import { explain, lang, say } from "./words.js";

const scroll = document.getElementById("scroll");
const list = document.getElementById("log");
const waiting = document.getElementById("waiting");
const newest = document.getElementById("newest");
const empty = document.getElementById("empty");

/** A pause in the conversation that is worth a line with the time. */
const PAUSE = 15 * 60_000;

export class Log {
  /** By number: what the stream has told. */
  #numbered = new Map();
  /** By the message's id: the person's own messages. */
  #own = new Map();
  /** By key: those on their way. */
  #outgoing = new Map();
  /** Which messages were said something to. */
  #answered = new Set();
  #lastAt = 0;
  #outbox;
  /** Follows the newest message, unless the person has scrolled away from it. */
  #follows = true;

  constructor() {
    scroll.addEventListener("scroll", () => {
      this.#follows = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
      if (this.#follows) newest.hidden = true;
    }, { passive: true });
    // Pictures load, the keyboard of a phone comes and goes.
    const observer = new ResizeObserver(() => this.#follows && this.toNewest("instant"));
    observer.observe(list);
    observer.observe(scroll);
    newest.addEventListener("click", () => this.toNewest());
  }

  set outbox(outbox) {
    this.#outbox = outbox;
  }

  isAnswered(id) {
    return this.#answered.has(id);
  }

  /** The newest own messages that nothing was said to, at most `count`. */
  unanswered(count) {
    return [...this.#own.keys()].filter((id) => !this.#answered.has(id)).slice(-count);
  }

  /** A message of the stream. Whether it is new. */
  message(data) {
    const known = `${data.n} ${data.message ?? ""}`;
    if (this.#numbered.has(known)) return false;
    // "New conversation" is a wish, not a message; the notice after it says that it was granted.
    if (data.command) return false;
    if (data.from !== "user" && data.message) this.#answered.add(data.message);
    const element = (data.from === "user" && this.#adopt(data)) || this.#make(data);
    this.#numbered.set(known, element);
    if (data.from === "user") this.#own.set(data.message, element);
    this.#insert(element, data.from === "user");
    this.#divide(Date.parse(data.at), element);
    return true;
  }

  /** A message on its way, or on its way no more. */
  outgoing(item) {
    let element = this.#outgoing.get(item.key);
    if (!element) {
      element = bubble("user", item.text, null);
      element.pictures = item.images.map((image, n) => local(image, n));
      gallery(element);
      this.#outgoing.set(item.key, element);
      list.append(element);
      empty.hidden = true;
      this.toNewest("instant");
    }
    const status = element.querySelector(".status");
    element.dataset.state = item.state;
    status.replaceChildren();
    if (item.state === "waiting") {
      status.append(!item.code ? say("unsent") : item.code === "unavailable" ? say("later") : explain(item.code));
    } else if (item.state === "failed") {
      const why = item.code === "too_large" && item.attempts > 1 ? say("maybeTooLarge") : explain(item.code);
      status.append(icon("alert"), `${say("failed")} ${why} `);
      status.append(button(say("again"), () => this.#outbox.again(item)));
      status.append(button(say("remove"), () => this.#forget(item)));
    }
    element.querySelector(".bubble").setAttribute("aria-busy", String(item.state === "sending"));
  }

  async #forget(item) {
    await this.#outbox.remove(item);
    this.drop(item);
    this.#isEmpty();
  }

  /** The server has it: the stream tells of it as message `id`, or has done so. */
  accepted(item, id) {
    const element = this.#outgoing.get(item.key);
    this.#outgoing.delete(item.key);
    if (!element) return;
    element.querySelector(".bubble").removeAttribute("aria-busy");
    // It may have ended already, with a word about that.
    if (element.dataset.state !== "unanswered") {
      delete element.dataset.state;
      element.querySelector(".status").replaceChildren();
    }
    const told = this.#own.get(id);
    if (element.isNumbered) return;
    if (told && told !== element) {
      // Told by the stream before the answer to the request came.
      element.remove();
      if (element.pictures.length) told.querySelector(".pictures")?.replaceWith(element.querySelector(".pictures"));
    } else if (!told) {
      this.#own.set(id, element);
    }
  }

  /** The bubble of a message that this page has sent. The stream may tell of it before the request for it is answered: then
   * it is known by what it says. */
  #adopt({ message, text, images }) {
    const element = this.#own.get(message);
    if (element) return element.isNumbered ? null : element;
    const isSame = (other) =>
      !other.isNumbered && other.dataset.state !== "failed" && other.text === text && other.pictures.length === images;
    return [...this.#outgoing.values()].find(isSame);
  }

  /** Where numbered messages end: what is on its way stays below them. */
  #end() {
    return [...this.#outgoing.values()].find((element) => !element.isNumbered) ?? null;
  }

  #make(data) {
    const { from, text, html, message, images } = data;
    const element = bubble(from, data.forgotten ? say("forgotten") : text, html);
    element.pictures = Array.from({ length: images ?? 0 }, (_, n) => remote(message, n));
    gallery(element);
    if (data.forgotten) element.classList.add("forgotten");
    return element;
  }

  #insert(element, isOwn) {
    element.isNumbered = true;
    const follows = this.#follows || isOwn;
    const end = this.#end();
    // Not moved without need: a picture in it would be loaded anew, and a screen reader would read it again.
    if (!element.isConnected || element.nextElementSibling !== end) list.insertBefore(element, end);
    empty.hidden = true;
    if (follows) this.toNewest("instant");
    else newest.hidden = false;
  }

  /** A line with the time, where the conversation had a pause. */
  #divide(at, element) {
    if (at - this.#lastAt > PAUSE) {
      const line = document.createElement("p");
      line.className = "time";
      const time = document.createElement("time");
      time.dateTime = new Date(at).toISOString();
      time.textContent = when(new Date(at));
      line.append(time);
      element.before(line);
    }
    this.#lastAt = at;
  }

  /** Why there is no answer, below the message. */
  unansweredFor(id, reason) {
    const element = this.#own.get(id);
    const status = element?.querySelector(".status");
    if (!status || status.firstChild) return;
    const words = reason === "empty_answer" || reason === "gave_up" ? say(reason) : say("unanswered");
    status.append(icon("alert"), words);
    element.dataset.state = "unanswered";
  }

  /** Whether an answer is awaited. */
  set waiting(on) {
    if (waiting.hidden === !on) return;
    waiting.hidden = !on;
    waiting.querySelector(".words").textContent = on ? say("waiting") : "";
    if (this.#follows) this.toNewest("instant");
  }

  /** Drops what was said; what is on its way stays. */
  forget() {
    list.setAttribute("aria-busy", "true");
    const going = [...this.#outgoing.values()];
    for (const element of going) element.isNumbered = false;
    list.replaceChildren(...going);
    this.#numbered.clear();
    this.#own.clear();
    this.#answered.clear();
    this.#lastAt = 0;
  }

  /** Drops a message on its way. */
  drop(item) {
    this.#outgoing.get(item.key)?.remove();
    this.#outgoing.delete(item.key);
  }

  /** What was said before is all there. */
  caughtUp() {
    list.setAttribute("aria-busy", "false");
    this.#isEmpty();
  }

  #isEmpty() {
    empty.hidden = list.childElementCount > 0;
  }

  toNewest(behavior = "smooth") {
    this.#follows = true;
    newest.hidden = true;
    scroll.scrollTo({ top: scroll.scrollHeight, behavior });
  }
}

function bubble(from, text, html) {
  const element = document.createElement("article");
  element.className = `message ${from}`;
  const who = document.createElement("span");
  who.className = "unseen";
  who.textContent = say({ user: "you", bot: "bot" }[from] ?? "notice") + ":";
  const box = document.createElement("div");
  box.className = "bubble";
  const words = document.createElement("div");
  words.className = html == null ? "words" : "words rich";
  words.append(html == null ? (text ?? "") : safe(html));
  words.hidden = !words.textContent && !words.childElementCount;
  // Whatever the page's language: the words have one of their own.
  words.dir = "auto";
  box.append(words);
  const status = document.createElement("p");
  status.className = "status";
  element.append(who, box, status);
  element.text = text ?? "";
  element.pictures = [];
  element.isNumbered = false;
  return element;
}

function button(label, act) {
  const element = document.createElement("button");
  element.type = "button";
  element.textContent = label;
  element.addEventListener("click", act);
  return element;
}

function gallery(element) {
  if (!element.pictures.length) return;
  const box = document.createElement("div");
  box.className = "pictures";
  element.pictures.forEach((load, n) => box.append(thumbnail(load, n)));
  element.querySelector(".bubble").prepend(box);
}

/** A picture of a message on its way: from memory. */
function local({ bytes, type }) {
  return async () => URL.createObjectURL(new Blob([bytes], { type }));
}

/** A picture that the server has: an `img` cannot send the token. */
function remote(id, n) {
  return async () => {
    const response = await session.fetch(`v1/messages/${id}/images/${n}`, { cache: "default" });
    if (!response.ok) throw new Error(String(response.status));
    return URL.createObjectURL(await response.blob());
  };
}

const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    target.load();
  }
}, { root: scroll, rootMargin: "300px" });

function thumbnail(load, n) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "picture";
  element.setAttribute("aria-label", say("picture", { n: n + 1 }));
  element.load = async () => {
    const image = document.createElement("img");
    image.alt = "";
    const gone = () => {
      element.replaceChildren(say("pictureGone"));
      element.disabled = true;
    };
    // TIFF and the like: sent, but nothing that a browser shows.
    image.addEventListener("error", () => element.replaceChildren(icon("picture"), say("picture", { n: n + 1 })));
    try {
      image.src = await load();
      element.replaceChildren(image);
      element.addEventListener("click", () => view(image.src));
    } catch {
      gone();
    }
  };
  seen.observe(element);
  return element;
}

function view(source) {
  const viewer = document.getElementById("viewer");
  viewer.querySelector("img").src = source;
  viewer.showModal();
}

function when(date) {
  const day = (other) => new Date(other).toDateString();
  const time = date.toLocaleTimeString(lang, { hour: "numeric", minute: "2-digit" });
  if (day(date) === day(Date.now())) return `${say("today")} ${time}`;
  if (day(date) === day(Date.now() - 86_400_000)) return `${say("yesterday")} ${time}`;
  return `${date.toLocaleDateString(lang, { dateStyle: "medium" })} ${time}`;
}
