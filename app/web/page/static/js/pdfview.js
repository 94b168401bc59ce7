// PDF on canvases, by pdf.js, which runs nothing that is in the file: no scripts, no forms, no evaluated fonts. It is
// loaded for the first PDF that is shown.

import { h } from "./dom.js";
import { stretchesOf } from "./textlayer.js";
import { T } from "./texts.js";

const LIBRARY = "/page/static/pdfjs/";
// The most pixels of one page: a huge page is drawn at a lower resolution, not refused.
const MAX_PIXELS = 8_000_000;
const WORKER = `${LIBRARY}pdf.worker.min.mjs`;

/**
 * The parts of pdf.js that are used.
 *
 * @typedef {{ width: number, height: number, convertToViewportPoint: (x: number, y: number) => number[] }} Viewport
 * @typedef {{ str?: string, transform?: number[], width?: number, height?: number }} Words
 * @typedef {{
 *   getViewport: (options: { scale: number }) => Viewport,
 *   render: (options: { canvas: HTMLCanvasElement, viewport: Viewport }) => { promise: Promise<void> },
 *   getTextContent: () => Promise<{ items: Words[] }>,
 * }} PdfPage
 * @typedef {{ numPages: number, getPage: (number: number) => Promise<PdfPage> }} PdfFile
 * @typedef {{
 *   getDocument: (options: Record<string, unknown>) => { promise: Promise<PdfFile>, destroy: () => Promise<void> },
 *   GlobalWorkerOptions: { workerPort: Worker | null },
 * }} Pdfjs
 */

/** @type {Promise<Pdfjs> | null} */
let loaded = null;
// The worker reads one document at a time: the next one waits until the one before is gone.
let ending = Promise.resolve();

function library() {
  loaded ??= import(`${LIBRARY}pdf.min.mjs`).then((pdfjs) => {
    let address = WORKER;
    // Not every browser has it yet, nor do TypeScript's types.
    /** @typedef {{ createScriptURL: (url: string) => string }} Policy */
    const { trustedTypes } = /** @type {{ trustedTypes?: { createPolicy: (name: string, policy: Policy) => Policy } }} */ (
      globalThis
    );
    if (trustedTypes) {
      const policy = trustedTypes.createPolicy("page", { createScriptURL: (/** @type {string} */ url) => (url === WORKER ? url : "about:invalid") });
      address = policy.createScriptURL(WORKER);
    }
    pdfjs.GlobalWorkerOptions.workerPort = new Worker(address, { type: "module" });
    return pdfjs;
  });
  return loaded;
}

/**
 * Show the PDF at `url` in `place`, its pages as they come into view, until `signal` ends it.
 *
 * @param {HTMLElement} place
 * @param {string} url
 * @param {AbortSignal} signal
 * @returns {Promise<PdfView | null>} null where it was ended meanwhile
 */
export async function showPdf(place, url, signal) {
  const pdfjs = await library();
  await ending;
  if (signal.aborted) return null;
  const task = pdfjs.getDocument({
    url,
    cMapUrl: `${LIBRARY}cmaps/`,
    cMapPacked: true,
    useSystemFonts: true,
    useWasm: false,
    isEvalSupported: false,
    enableXfa: false,
    disableAutoFetch: true,
    verbosity: 0,
    maxImageSize: 50_000_000,
  });
  signal.addEventListener("abort", () => {
    ending = task.destroy().catch(() => {});
  });
  const file = await task.promise;
  if (signal.aborted) return null;
  const first = await file.getPage(1);
  return new PdfView(place, file, first.getViewport({ scale: 1 }), signal);
}

/** A PDF that is shown. */
export class PdfView {
  /**
   * @param {HTMLElement} place
   * @param {PdfFile} file
   * @param {Viewport} shape of pages that were not drawn yet
   * @param {AbortSignal} signal
   */
  constructor(place, file, shape, signal) {
    this.place = place;
    this.file = file;
    this.signal = signal;
    /** The passage that is marked. */
    this.passage = { page: 0, text: "" };
    /** Whether to scroll to it still: until a person scrolls. */
    this.going = false;
    /** @type {Map<HTMLElement, { words: Words[], viewport: Viewport }>} */
    this.drawn = new Map();
    this.frames = Array.from({ length: file.numPages }, (_, index) => {
      const frame = h("div", { class: "sheet", "data-page": index + 1 });
      frame.style.aspectRatio = `${shape.width} / ${shape.height}`;
      return frame;
    });
    const near = new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries) {
          const frame = /** @type {HTMLElement} */ (target);
          if (isIntersecting) this.draw(frame).catch(() => {});
          else this.clear(frame);
        }
      },
      { root: place, rootMargin: "600px" },
    );
    signal.addEventListener("abort", () => near.disconnect());
    const stay = () => {
      this.going = false;
    };
    for (const event of ["wheel", "touchstart", "pointerdown", "keydown"]) {
      place.addEventListener(event, stay, { passive: true, signal });
    }
    place.tabIndex = 0;
    place.setAttribute("role", "region");
    place.setAttribute("aria-label", T.preview.pages(file.numPages));
    place.replaceChildren(h("p", { class: "quiet small" }, T.preview.pages(file.numPages)), ...this.frames);
    for (const frame of this.frames) near.observe(frame);
  }

  /**
   * Scroll to a passage, and mark it as far as it is found among the words of its page; page 0: mark none.
   *
   * @param {{ page: number, text: string }} passage
   */
  reveal(passage) {
    this.passage = passage;
    this.going = passage.page > 0;
    for (const frame of this.drawn.keys()) this.mark(frame);
    this.bring();
  }

  /** Scroll to the passage, or to its page as long as that is not drawn. */
  bring() {
    const frame = this.frames[this.passage.page - 1];
    if (!this.going || !frame) return;
    const mark = frame.querySelector(".spot");
    const room = mark ? this.place.clientHeight / 4 : 0;
    this.place.scrollTop += (mark ?? frame).getBoundingClientRect().top - this.place.getBoundingClientRect().top - room;
  }

  clear(/** @type {HTMLElement} */ frame) {
    this.drawn.delete(frame);
    frame.replaceChildren();
  }

  async draw(/** @type {HTMLElement} */ frame) {
    if (frame.firstChild) return;
    const { file, signal } = this;
    const number = Number(frame.dataset.page);
    const canvas = h("canvas", { role: "img", "aria-label": T.preview.page(number, file.numPages) });
    frame.append(canvas);
    const page = await file.getPage(number);
    const natural = page.getViewport({ scale: 1 });
    frame.style.aspectRatio = `${natural.width} / ${natural.height}`;
    // The pages below it have moved.
    this.bring();
    let scale = (frame.clientWidth / natural.width) * (globalThis.devicePixelRatio || 1);
    scale *= Math.min(1, Math.sqrt(MAX_PIXELS / (natural.width * natural.height * scale * scale)));
    const viewport = page.getViewport({ scale });
    canvas.width = Math.ceil(viewport.width);
    canvas.height = Math.ceil(viewport.height);
    await page.render({ canvas, viewport }).promise;
    const { items } = await page.getTextContent();
    if (signal.aborted || !canvas.isConnected) return;
    this.drawn.set(frame, { words: items, viewport: natural });
    this.mark(frame);
    this.bring();
  }

  /** Show what goes with the canvas of a page that is drawn: its words, for screen readers, and the passage. */
  mark(/** @type {HTMLElement} */ frame) {
    const drawn = this.drawn.get(frame);
    const canvas = frame.querySelector("canvas");
    if (!drawn || !canvas) return;
    const { words, viewport } = drawn;
    const pieces = words.map((each) => each.str ?? "");
    const here = Number(frame.dataset.page) === this.passage.page;
    const stretches = here ? stretchesOf(pieces, this.passage.text) : [];
    const [first, last] = [stretches[0]?.number ?? pieces.length, (stretches.at(-1)?.number ?? pieces.length) + 1];
    const text = h("div", { class: "unseen" }, `${pieces.slice(0, first).join(" ")} `);
    if (stretches.length) text.append(h("mark", {}, pieces.slice(first, last).join(" ")), ` ${pieces.slice(last).join(" ")}`);
    const boxes = stretches.map((stretch) => boxOf(words[stretch.number], stretch, viewport)).filter((box) => box !== null);
    frame.replaceChildren(canvas, text, ...boxes);
  }
}

/**
 * What marks a stretch of words on a page; null where they have no place.
 *
 * @param {Words} words
 * @param {import("./textlayer.js").Stretch} stretch
 * @param {Viewport} viewport of the page
 */
function boxOf({ str = "", transform = [], width = 0, height = 0 }, { from, to }, viewport) {
  const [a, b, c, d, x, y] = transform;
  const [along, up] = [Math.hypot(a, b), Math.hypot(c, d)];
  if (!(along > 0 && up > 0 && width > 0)) return null;
  // Its letters are taken to be of equal width; a quarter of them is below the line on which they stand.
  const corner = (/** @type {number} */ part, /** @type {number} */ rise) =>
    viewport.convertToViewportPoint(
      x + (a / along) * width * part + (c / up) * (height || up) * rise,
      y + (b / along) * width * part + (d / up) * (height || up) * rise,
    );
  const corners = [from / str.length, to / str.length].flatMap((part) => [corner(part, -0.25), corner(part, 0.9)]);
  const [lefts, tops] = [corners.map((each) => each[0]), corners.map((each) => each[1])];
  const [left, top] = [Math.min(...lefts), Math.min(...tops)];
  const box = h("div", { class: "spot", "aria-hidden": "true" });
  box.style.left = `${(left / viewport.width) * 100}%`;
  box.style.top = `${(top / viewport.height) * 100}%`;
  box.style.width = `${((Math.max(...lefts) - left) / viewport.width) * 100}%`;
  box.style.height = `${((Math.max(...tops) - top) / viewport.height) * 100}%`;
  return box;
}
