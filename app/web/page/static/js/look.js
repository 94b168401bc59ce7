// The preview of a file: the file itself if a browser can show it without running anything in it, otherwise the text
// that was read of it.

import { piece } from "./api.js";
import { h } from "./dom.js";
import { UTF8, encodingOf } from "./encoding.js";
import { keptText, passageAt, sentenceOf } from "./kept.js";
import { colourOf, viewOf } from "./kinds.js";
import { showPdf } from "./pdfview.js";
import { sameSpot } from "./state.js";
import { T, sentence } from "./texts.js";
import { PIECE, TextView } from "./textview.js";

/** @typedef {import("./api.js").Source} Source */
/** @typedef {import("./state.js").Spot} Spot */

// What is shown of a file as it is, without words.
const SHOWN = new Set(["image", "audio", "video"]);
// Milliseconds until the page says that the text is still being read.
const PATIENCE = 400;

export class Look {
  /**
   * `source`: what is known of the attachment, at `url`. `settled`: what has become of its text, { state, reason }, once it
   * is no longer being read. `spot`: where to open it, and what to mark there; a place in the text that was read of it, which
   * is shown then instead of a text as it is. `pattern`: the words to mark. `shown()`: the text is there that was read of it.
   *
   * @param {{
   *   source: Source,
   *   url: string,
   *   settled: Promise<{ state: string, reason: string }>,
   *   spot?: Spot | null,
   *   pattern?: RegExp | null,
   *   signal: AbortSignal,
   *   shown: () => void,
   * }} given
   */
  constructor({ source, url, settled, spot = null, pattern = null, signal, shown }) {
    this.source = source;
    this.url = url;
    this.settled = settled;
    this.spot = spot;
    this.pattern = pattern;
    this.signal = signal;
    this.shown = shown;
    /** @type {TextView | null} */
    this.view = null;
    // Whether that is the text that was read of the file.
    this.kept = false;
    /** @type {import("./pdfview.js").PdfView | null} */
    this.pdf = null;
    this.element = h("div", { class: "look" });
    this.show();
  }

  /** Mark what matches `pattern` from now on. */
  mark(/** @type {RegExp | null} */ pattern) {
    this.pattern = pattern;
    this.view?.mark(pattern);
  }

  /** Whether a place in the text that was read can be shown. */
  get leads() {
    return !SHOWN.has(viewOf(this.source.media_type ?? "") ?? "") || this.kept;
  }

  /** Show this place from now on, instead of another one; null: none. `again`: also where it is shown already. */
  go(/** @type {Spot | null} */ spot, { again = false } = {}) {
    if (sameSpot(spot, this.spot) && !again) return;
    this.spot = spot;
    if (this.kept) this.goInText();
    else if (this.pdf) this.goInPdf().catch(() => {});
    // A text as it is shows no place: the bytes of what was read of it are others.
    else if (spot?.end && this.view) this.show();
  }

  goInText() {
    const { spot } = this;
    const wanted = () => this.spot === spot;
    this.view?.revealPassage(spot?.end ? spot : null, wanted);
    if (spot?.page && !spot.end) this.view?.revealPage(spot.page, wanted);
  }

  async goInPdf() {
    const { spot, signal } = this;
    const found = spot && (await passageAt(this.source.id, spot, signal));
    if (this.spot !== spot || signal.aborted) return;
    if (found?.inside) this.show();
    else this.pdf?.reveal(found ?? { page: 0, text: "" });
  }

  /** Whether the text that is shown has a place where the file inside begins. */
  has(/** @type {string} */ path) {
    return this.view?.has(path) ?? false;
  }

  /**
   * Scroll the text to where the file inside begins. `wanted()`: whether it still is to be.
   *
   * @param {string} path
   * @param {() => boolean} [wanted]
   */
  reveal(path, wanted) {
    this.view?.reveal(path, wanted);
  }

  show() {
    this.draw().catch((error) => {
      if (!this.signal.aborted) this.read({ failed: error.name === "PasswordException" ? T.preview.password : T.preview.failed });
    });
  }

  async draw() {
    const { source, url, signal } = this;
    const view = viewOf(source.media_type ?? "");
    const broken = () => this.read({ failed: T.preview.failed });
    this.element.className = `look ${view ?? "nothing"}`;
    this.element.replaceChildren();
    for (const name of ["tabindex", "role", "aria-label"]) this.element.removeAttribute(name);
    this.view = null;
    this.kept = false;
    this.pdf = null;
    if (source.size === 0) {
      // An empty file has no kind.
      this.instead(T.preview.empty);
      return;
    }
    switch (view) {
      case "image":
        this.element.append(h("img", { src: url, alt: T.preview.image(source.name), on: { error: broken } }));
        break;
      case "audio":
      case "video":
        this.element.append(
          h(view, { src: url, controls: true, preload: "metadata", "aria-label": source.name, on: { error: broken } }),
        );
        break;
      case "text": {
        this.element.append(h("p", { class: "quiet" }, T.loading));
        const first = await piece(url, 0, PIECE, { signal });
        if (signal.aborted) return;
        const encoding = encodingOf(first.bytes, { cut: first.whole > first.bytes.length });
        const original = () => this.original(first, encoding);
        // The rest may turn out not to be UTF-8.
        if (encoding === UTF8 && !this.spot?.end) this.original(first, encoding, () => this.read({ otherwise: original }));
        else await this.read({ otherwise: original });
        break;
      }
      case "pdf": {
        this.element.append(h("p", { class: "quiet" }, T.loading));
        const { spot } = this;
        const found = spot && (await passageAt(source.id, spot, signal));
        if (found?.inside) {
          await this.read();
          break;
        }
        this.pdf = await showPdf(this.element, url, signal);
        if (this.spot !== spot) await this.goInPdf();
        else if (found) this.pdf?.reveal(found);
        break;
      }
      default:
        await this.read();
    }
  }

  /**
   * Show the text that a file is, whose first piece is there. `other()`: a later piece is in another encoding.
   *
   * @param {Awaited<ReturnType<typeof piece>>} first
   * @param {string} encoding
   * @param {(() => void) | null} [other]
   */
  original(first, encoding, other = null) {
    const { url, source, pattern, signal } = this;
    const label = T.preview.text(source.name);
    this.view = new TextView({ path: url, first, label, encoding, pattern, signal, changed: () => this.show(), other });
    this.element.replaceChildren(this.view.element);
  }

  /**
   * Show what was read of the file. `failed`: what there is to say of the file itself. Where nothing was read, why; or, for a
   * file that has something else to show then, have `otherwise` do it.
   *
   * @param {{ failed?: string, otherwise?: (() => void) | null }} [how]
   */
  async read({ failed = "", otherwise = null } = {}) {
    const { source, signal } = this;
    if (signal.aborted) return;
    const tell = (/** @type {string} */ text, hint = "") => this.instead(failed || text, failed ? text : hint);
    const waiting = setTimeout(() => tell(T.preview.reading), PATIENCE);
    try {
      const known = await this.settled;
      const changed = () => this.show();
      const found = known.state === "failed" ? null : await keptText({ source, pattern: this.pattern, signal, changed });
      if (signal.aborted) return;
      if (found) {
        this.view = found.view;
        this.kept = true;
        // There may be another search by now.
        this.view.mark(this.pattern);
        this.element.className = "look text";
        this.element.replaceChildren(found.element);
        if (failed) this.element.prepend(h("p", {}, failed));
        if (this.spot) this.goInText();
        this.shown();
      } else if (otherwise) otherwise();
      else tell(sentenceOf(known) || (failed ? "" : T.preview.none), T.preview.noneHint);
    } catch (error) {
      if (signal.aborted) return;
      if (otherwise) otherwise();
      else tell(sentence(error));
    } finally {
      clearTimeout(waiting);
    }
  }

  /** Show a sentence instead of the file. */
  instead(/** @type {string} */ text, hint = "") {
    const { media_type: mediaType, icon } = this.source;
    const tile = h("span", { class: `tile big ${colourOf(mediaType, icon)}`, "aria-hidden": "true" });
    tile.append((icon || "file").slice(0, 5));
    this.element.replaceChildren(
      h("div", { class: "instead" }, tile, h("p", {}, text), hint && h("p", { class: "quiet small" }, hint)),
    );
  }
}
