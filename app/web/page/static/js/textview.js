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
// Or up to a passage, as far as texts have passages.
const FARTHEST = 4 * 1024 * 1024;
// The most marked words, so that a text of one repeated word does not become a hundred thousand elements.
const MOST_MARKS = 2000;

// Frames for which a place has to stay where it is until it counts as reached, and in all.
const STILL = 3;
const MOST_FRAMES = 30;

/**
 * A stretch of a text, in bytes of it.
 *
 * @typedef {{ start: number, end: number }} Span
 */
/**
 * A piece of the text as it is on screen. `at`: the bytes before it; `size`: its own; `marks`: the marked words in it.
 *
 * @typedef {{ element: HTMLElement, text: string, at: number, size: number, marks: number }} Block
 */

const bytesOf = (/** @type {string} */ text) => new TextEncoder().encode(text);

/** How many characters of `text` are within its first bytes, of which there are `count`. */
function charactersIn(/** @type {string} */ text, /** @type {number} */ count) {
  if (count <= 0) return 0;
  const bytes = bytesOf(text);
  let whole = Math.min(count, bytes.length);
  // Not within a character.
  while (whole < bytes.length && (bytes[whole] & 0xc0) === 0x80) whole -= 1;
  return new TextDecoder(UTF8, { ignoreBOM: true }).decode(bytes.subarray(0, whole)).length;
}

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
   * `headings`: [{ at, element, line, path, page }], elements that belong before a byte, in order; `line` is one that tells
   * the same, `path` or `page` what it is to be found by.
   * `changed()`: it is another one by now. `other()`: it turned out not to be in the encoding that it began with.
   *
   * @param {{
   *   path: string,
   *   first: Awaited<ReturnType<typeof api.piece>>,
   *   label: string,
   *   encoding?: string,
   *   headings?: { at: number, element: HTMLElement, line: string, path?: string, page?: number }[],
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
    this.pages = new Map(headings.filter(({ page }) => page).reverse().map((each) => [each.page, each]));
    /** @type {Span | null} */
    this.passage = null;
    this.decoder = new TextDecoder(encoding);
    this.tag = first.tag;
    this.whole = first.whole;
    this.at = 0;
    this.rest = "";
    // The bytes before the rest.
    this.from = 0;
    /** @type {Block[]} */
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

  /** How many bytes can be shown. */
  get limit() {
    return Math.min(this.whole, Math.max(MOST, Math.min(this.passage?.end ?? 0, FARTHEST)));
  }

  get done() {
    return this.at >= this.limit;
  }

  /**
   * Request the next piece when the end comes near: the observer reports changes, and the state of an element that it
   * begins to observe.
   */
  go() {
    this.watcher.disconnect();
    this.more.hidden = this.done;
    if (!this.done) this.watcher.observe(this.end);
    else if (this.whole > this.limit) this.said.textContent = T.preview.cut(this.limit);
  }

  /** Whether there is a heading for `path`, within the part that can be shown. */
  has(/** @type {string} */ path) {
    const heading = this.paths.get(path);
    return heading !== undefined && heading.at < this.limit;
  }

  /** Scroll the text to the heading of `path`, once all before it is there. `wanted()`: whether it still is to be. */
  async reveal(/** @type {string} */ path, wanted = () => true) {
    const heading = this.paths.get(path);
    if (heading && this.has(path)) await this.bring(() => heading.element, { wanted });
  }

  /** Scroll the text to where its page begins, as `reveal` does. */
  async revealPage(/** @type {number} */ page, wanted = () => true) {
    const heading = this.pages.get(page);
    if (heading && heading.at < this.limit) await this.bring(() => heading.element, { wanted });
  }

  /**
   * Mark a passage, and no other any more; null: none. Scroll the text to it, once all before it is there, as `reveal` does.
   *
   * @param {Span | null} passage
   * @param {() => boolean} [wanted]
   */
  async revealPassage(passage, wanted = () => true) {
    const touched = this.blocks.filter((block) => this.within(block)[1]);
    this.passage = passage;
    touched.push(...this.blocks.filter((block) => this.within(block)[1]));
    for (const block of new Set(touched)) this.draw(block);
    this.go();
    const mark = () => this.text.querySelector("mark.passage");
    if (passage && passage.start < this.limit) await this.bring(mark, { wanted, above: 1 / 4 });
  }

  /**
   * Scroll to an element once it is there, with all before it. `above`: the part of the window that is left for what is
   * above it.
   *
   * @param {() => Element | null} element
   * @param {{ wanted: () => boolean, above?: number }} how
   */
  async bring(element, { wanted, above = 0 }) {
    while (!element()?.isConnected && !this.done && wanted()) {
      const before = this.at;
      await (this.busy ?? this.next());
      if (this.signal.aborted || this.at === before) return;
    }
    // Content that was not laid out yet may turn out to be higher, and the end of the text farther away.
    for (let frame = 0, still = 0; frame < MOST_FRAMES && still < STILL && wanted(); frame += 1) {
      const place = element();
      if (!place?.isConnected) return;
      const before = this.text.scrollTop;
      const top = this.text.getBoundingClientRect().top + above * this.text.clientHeight;
      this.text.scrollTop += place.getBoundingClientRect().top - top;
      still = Math.abs(this.text.scrollTop - before) < 1 ? still + 1 : 0;
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
      const { bytes } = await api.piece(this.path, this.at, Math.min(this.at + PIECE, this.limit), { tag, signal });
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
      this.from = this.at + to;
    }
    this.read(bytes.subarray(from));
    // After an empty answer there is no more.
    this.at = bytes.length ? end : this.whole;
    if (this.done) {
      this.rest += this.decoder.decode();
      this.flush(false);
      this.from = this.at;
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
      if (this.rest.startsWith(`${this.line}\n`)) {
        this.rest = this.rest.slice(this.line.length + 1);
        this.from += bytesOf(this.line).length + 1;
      }
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
    const block = { element, text, at: this.from, size: bytesOf(text).length, marks: 0 };
    this.from += block.size;
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
    for (const block of this.blocks) {
      block.marks = 0;
      this.draw(block);
    }
  }

  /** The first and after the last character of the passage in `block`: [0, 0] for none. */
  within(/** @type {Block} */ { text, at, size }) {
    const { start, end } = this.passage ?? { start: 0, end: 0 };
    if (end <= at || start >= at + size) return [0, 0];
    return [charactersIn(text, start - at), charactersIn(text, end - at)];
  }

  draw(/** @type {Block} */ block) {
    const { element, text } = block;
    this.marks -= block.marks;
    block.marks = 0;
    const nodesIn = (/** @type {string} */ part) => {
      const { nodes, marks } = nodesOf(part, this.pattern, MOST_MARKS - this.marks);
      this.marks += marks;
      block.marks += marks;
      return nodes;
    };
    const [from, to] = this.within(block);
    const before = nodesIn(text.slice(0, from));
    const passage = to > from ? [h("mark", { class: "passage" }, nodesIn(text.slice(from, to)))] : [];
    element.replaceChildren(...before, ...passage, ...nodesIn(text.slice(to)));
  }
}
