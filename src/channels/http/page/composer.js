// Where messages are written: a text that grows, and pictures by picker, paste and drop.

import { icon } from "./safe.js";
import { lang, say } from "./words.js";

const root = document.documentElement;
const form = document.getElementById("composer");
const text = document.getElementById("text");
const files = document.getElementById("files");
const send = document.getElementById("send");
const previews = document.getElementById("previews");
const drop = document.getElementById("drop");
const alert = document.getElementById("alert");

const MAX_TEXT = Number(root.dataset.maxText);
const MAX_IMAGES = Number(root.dataset.maxImages);

/** Beyond what any bridge takes unless configured otherwise; the server has the last word. */
const MAX_MB = 25;

/** What the server can read; an SVG is a program. */
const PICTURES = /^image\/(?!svg)/;

export class Composer {
  #pictures = [];
  #submit;
  #sent = Promise.resolve();

  constructor(submit) {
    this.#submit = submit;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    text.addEventListener("input", () => this.#changed());
    text.addEventListener("keydown", (event) => this.#key(event));
    document.getElementById("attach").addEventListener("click", () => files.click());
    files.addEventListener("change", () => {
      this.#add(files.files);
      files.value = "";
    });
    text.addEventListener("paste", (event) => {
      const pictures = [...event.clipboardData.files];
      if (!pictures.length) return;
      event.preventDefault();
      this.#add(pictures);
    });
    this.#dropping();
  }

  focus() {
    text.focus();
  }

  /** A sentence for the person; none takes it away. */
  tell(words) {
    alert.hidden = !words;
    alert.replaceChildren(...(words ? [icon("alert"), words] : []));
  }

  #key(event) {
    if (event.key !== "Enter" || event.shiftKey) return;
    // The Enter that confirms what an input method proposes belongs to that; Safari reports it after the composition, as 229.
    if (event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#send();
  }

  #send() {
    const words = text.value.trim();
    if (!words && !this.#pictures.length) return;
    if ([...words].length > MAX_TEXT) return this.tell(say("tooLong", { max: MAX_TEXT.toLocaleString(lang) }));
    const pictures = this.#pictures;
    this.#pictures = [];
    text.value = "";
    this.tell("");
    this.#show();
    this.#changed();
    text.focus();
    // Reading a picture takes a moment: what is written in it comes after.
    this.#sent = this.#sent.then(async () => this.#submit(words, await Promise.all(pictures.map(read))));
  }

  #changed() {
    send.disabled = !text.value.trim() && !this.#pictures.length;
    // Grows with its lines; CSS says how far.
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight}px`;
  }

  #add(given) {
    this.tell("");
    for (const file of given) {
      if (!PICTURES.test(file.type)) this.tell(say("notPicture"));
      else if (file.size > MAX_MB * 1024 * 1024) this.tell(say("pictureTooLarge", { max: MAX_MB }));
      else if (this.#pictures.length >= MAX_IMAGES) this.tell(say("tooMany", { max: MAX_IMAGES }));
      else this.#pictures.push({ file, url: URL.createObjectURL(file) });
    }
    this.#show();
    this.#changed();
    text.focus();
  }

  #show() {
    previews.hidden = !this.#pictures.length;
    previews.replaceChildren(...this.#pictures.map((picture, n) => this.#preview(picture, n)));
  }

  #preview(picture, n) {
    const item = document.createElement("li");
    const image = document.createElement("img");
    image.src = picture.url;
    image.alt = say("picture", { n: n + 1 });
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "icon";
    remove.setAttribute("aria-label", say("removePicture", { n: n + 1 }));
    remove.append(icon("close"));
    remove.addEventListener("click", () => {
      URL.revokeObjectURL(picture.url);
      this.#pictures = this.#pictures.filter((other) => other !== picture);
      this.#show();
      this.#changed();
      text.focus();
    });
    item.append(image, remove);
    return item;
  }

  #dropping() {
    // Leaving a child is entering its parent: what is counted is how deep the pointer is.
    let depth = 0;
    const isFiles = (event) => event.dataTransfer?.types.includes("Files");
    const over = (change) => {
      depth = Math.max(0, depth + change);
      drop.hidden = depth === 0;
    };
    addEventListener("dragenter", (event) => isFiles(event) && over(1));
    addEventListener("dragleave", (event) => isFiles(event) && over(-1));
    addEventListener("dragover", (event) => isFiles(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      if (!isFiles(event)) return;
      event.preventDefault();
      over(-depth);
      this.#add(event.dataTransfer.files);
    });
  }
}

async function read({ file, url }) {
  URL.revokeObjectURL(url);
  return { name: file.name || "picture", type: file.type, bytes: await file.arrayBuffer() };
}
