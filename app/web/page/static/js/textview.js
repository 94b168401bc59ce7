// A text of any length, in pieces: the next one is requested when the end of those before comes near. All of it is text
// nodes. A block on screen has some kilobytes: breaking a line of a megabyte at once would take seconds.

import * as api from "./api.js";
import { UTF8, isOther } from "./encoding.js";
import { button, h } from "./dom.js";
import { nodesOf } from "./marks.js";
import { T } from "./texts.js";

// Bytes in one request, characters of a block, and bytes in all: people who want to read more can download the file.
export const PIECE = 64 * 1024;
const BLOCK = 8 * 1024;
const MOST = 2 * 1024 * 1024;
// The most marked words, so that a text of one repeated word does not become a hundred thousand elements.
const MOST_MARKS = 2000;

/**
 * Where to end a block at the beginning of `text`: after a line, otherwise after a word, otherwise within one, but
 * never within a character.
 */
function cutOf(/** @type {string} */ text) {
  const line = text.lastIndexOf("\n", BLOCK - 1);
  if (line >= 0) return line + 1;
  const blank = text.lastIndexOf(" ", BLOCK - 1);
  if (blank > BLOCK / 2) return blank + 1;
  const unit = text.charCodeAt(BLOCK - 1);
  return unit >= 0xd800 && unit < 0xdc00 ? BLOCK - 1 : BLOCK;
}

export class TextView {
  /**
   * `path`: where it is. `first`: its first piece, as `api.piece` answers, of PIECE bytes. `label`: what it is called.
   * `headings`: [{ at, element, line, path }], elements that belong before a byte, in order; `line` is one that tells the
   * same, `path` what it is to be found by.
   * `changed()`: it is another one by now. `other()`: it turned out not to be in the encoding that it began with.
   *
   * @param {{
   *   path: string,
   *   first: Awaited<ReturnType<typeof api.piece>>,
   *   label: string,
   *   encoding?: string,
   *   headings?: { at: number, element: HTMLElement, line: string, path?: string }[],
   *   pattern?: RegExp | null,
   *   signal: AbortSignal,
   *   changed: () => void,
   *   other?: (() => void) | null,
   * }} given
   */
  constructor({ path, first, label, encoding = UTF8, headings = [], pattern = null, signal, changed, other = null }) {
    this.path = path;
    this.headings = headings;
    this.pattern = pattern;
    this.signal = signal;
    this.changed = changed;
    this.other = other;
    this.paths = new Map(headings.filter(({ path }) => path).reverse().map((each) => [each.path, each]));
    this.decoder = new TextDecoder(encoding);
    this.tag = first.tag;
    this.whole = first.whole;
    this.at = 0;
    this.rest = "";
    /** @type {{ element: HTMLElement, text: string }[]} */
    this.blocks = [];
    this.marks = 0;
    this.end = h("div", { class: "text-end" });
    this.text = h("div", { class: "text", tabindex: "0", role: "region", "aria-label": label }, this.end);
    this.more = button(T.preview.more, { kind: "small", click: () => this.next() });
    this.said = h("span", { role: "status" });
    const paper = h("span", { class: "on-paper" }, T.preview.paper);
    this.element = h("div", { class: "pieces" }, this.text, h("p", { class: "quiet small" }, this.said, " ", this.more, paper));
    this.add(first.bytes);
    this.watcher = new IntersectionObserver((entries) => entries.at(-1)?.isIntersecting && this.next(), {
      root: this.text,
      rootMargin: "600px",
    });
    signal.addEventListener("abort", () => this.watcher.disconnect());
    this.go();
  }

  get done() {
    return this.at >= Math.min(this.whole, MOST);
  }

  /**
   * Request the next piece when the end comes near: the observer reports changes, and the state of an element that it
   * begins to observe.
   */
  go() {
    this.watcher.disconnect();
    this.more.hidden = this.done;
    if (!this.done) this.watcher.observe(this.end);
    else if (this.whole > MOST) this.said.textContent = T.preview.cut(MOST);
  }

  /** Whether there is a heading for `path`, within the part that can be shown. */
  has(/** @type {string} */ path) {
    const heading = this.paths.get(path);
    return heading !== undefined && heading.at < Math.min(this.whole, MOST);
  }

  /** Scroll the text to the heading of `path`, once all before it is there. `wanted()`: whether it still is to be. */
  async reveal(/** @type {string} */ path, wanted = () => true) {
    const heading = this.paths.get(path);
    if (!heading || !this.has(path)) return;
    const { at, element } = heading;
    while (!element.isConnected && !this.done && wanted()) {
      const before = this.at;
      await (this.busy ?? this.next());
      if (this.signal.aborted || (this.at === before && this.at <= at)) return;
    }
    // Content that was not laid out yet may turn out to be higher.
    for (let frame = 0; frame < 2 && element.isConnected && wanted(); frame += 1) {
      this.text.scrollTop += element.getBoundingClientRect().top - this.text.getBoundingClientRect().top;
      await new Promise((done) => requestAnimationFrame(done));
    }
  }

  /** Request the next piece, and show it; one at a time. */
  async next() {
    if (this.busy || this.done) return;
    this.busy = this.ask();
    await this.busy;
  }

  async ask() {
    this.said.textContent = "";
    const { tag, signal } = this;
    try {
      const { bytes } = await api.piece(this.path, this.at, Math.min(this.at + PIECE, MOST), { tag, signal });
      if (!signal.aborted) {
        this.add(bytes);
        this.go();
      }
    } catch (error) {
      if (signal.aborted) return;
      this.watcher.disconnect();
      if (error.status === 412 || error.status === 404) this.changed();
      else this.said.textContent = T.preview.moreFailed;
    } finally {
      this.busy = null;
    }
  }

  /** Show the next `bytes`, each heading before the byte where it belongs. */
  add(/** @type {Uint8Array} */ bytes) {
    const end = this.at + bytes.length;
    const last = end >= this.whole || !bytes.length;
    let from = 0;
    for (;;) {
      const [heading] = this.headings;
      if (!heading || !(last || heading.at < end)) break;
      this.headings.shift();
      const to = Math.max(from, Math.min(heading.at - this.at, bytes.length));
      this.read(bytes.subarray(from, to));
      this.flush(true);
      this.place(heading.element);
      this.line = heading.line;
      from = to;
    }
    this.read(bytes.subarray(from));
    // After an empty answer there is no more.
    this.at = bytes.length ? end : this.whole;
    if (this.done) {
      this.rest += this.decoder.decode();
      this.flush(false);
    }
  }

  read(/** @type {Uint8Array} */ bytes) {
    const text = this.decoder.decode(bytes, { stream: true });
    if (this.other && isOther(text)) {
      const { other } = this;
      this.other = null;
      other();
    }
    this.rest += text;
    if (this.line && this.rest.length > this.line.length) {
      // The name of a file inside is the first line of its text, and also its heading.
      if (this.rest.startsWith(`${this.line}\n`)) this.rest = this.rest.slice(this.line.length + 1);
      this.line = "";
    }
    let from = 0;
    while (this.rest.length - from > BLOCK) {
      const block = this.rest.slice(from, from + BLOCK);
      const cut = cutOf(block);
      this.block(block.slice(0, cut));
      from += cut;
    }
    this.rest = this.rest.slice(from);
  }

  /**
   * Show the text that waits for the end of its line. `section`: the section ends; line ends at its end are not part of
   * it.
   */
  flush(/** @type {boolean} */ section) {
    const text = section ? this.rest.trimEnd() : this.rest;
    this.rest = "";
    if (text) this.block(text);
  }

  block(/** @type {string} */ text) {
    // With this attribute, each line of a <pre> has a text direction of its own.
    const element = h("pre", { dir: "auto" });
    const block = { element, text };
    this.draw(block);
    this.blocks.push(block);
    this.place(element);
  }

  place(/** @type {HTMLElement} */ element) {
    this.end.before(element);
  }

  /** Mark what matches `pattern` from now on; null: nothing. */
  mark(/** @type {RegExp | null} */ pattern) {
    if (String(pattern) === String(this.pattern)) return;
    this.pattern = pattern;
    this.marks = 0;
    for (const block of this.blocks) this.draw(block);
  }

  /** @param {{ element: HTMLElement, text: string }} block */
  draw({ element, text }) {
    const { nodes, marks } = nodesOf(text, this.pattern, MOST_MARKS - this.marks);
    this.marks += marks;
    element.replaceChildren(...nodes);
  }
}
