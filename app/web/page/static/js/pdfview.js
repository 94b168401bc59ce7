// PDF on canvases, by pdf.js, which runs nothing that is in the file: no scripts, no forms, no evaluated fonts. It is
// loaded for the first PDF that is shown.

import { h } from "./dom.js";
import { T } from "./texts.js";

const LIBRARY = "/page/static/pdfjs/";
// The most pixels of one page: a huge page is drawn at a lower resolution, not refused.
const MAX_PIXELS = 8_000_000;
const WORKER = `${LIBRARY}pdf.worker.min.mjs`;

/**
 * The parts of pdf.js that are used.
 *
 * @typedef {{ width: number, height: number }} Viewport
 * @typedef {{
 *   getViewport: (options: { scale: number }) => Viewport,
 *   render: (options: { canvas: HTMLCanvasElement, viewport: Viewport }) => { promise: Promise<void> },
 *   getTextContent: () => Promise<{ items: { str?: string }[] }>,
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

/** Show the PDF at `url` in `place`, its pages as they come into view. Returns a function that ends it. */
export async function showPdf(/** @type {HTMLElement} */ place, /** @type {string} */ url, /** @type {AbortSignal} */ signal) {
  const pdfjs = await library();
  await ending;
  if (signal.aborted) return;
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
  if (signal.aborted) return;
  const first = await file.getPage(1);
  const shape = first.getViewport({ scale: 1 });
  const frames = Array.from({ length: file.numPages }, (_, index) => {
    const frame = h("div", { class: "sheet", "data-page": index + 1 });
    frame.style.aspectRatio = `${shape.width} / ${shape.height}`;
    return frame;
  });
  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (isIntersecting) draw(file, /** @type {HTMLElement} */ (target), signal).catch(() => {});
        else target.replaceChildren();
      }
    },
    { root: place, rootMargin: "600px" },
  );
  signal.addEventListener("abort", () => near.disconnect());
  place.tabIndex = 0;
  place.setAttribute("role", "region");
  place.setAttribute("aria-label", T.preview.pages(file.numPages));
  place.replaceChildren(h("p", { class: "quiet small" }, T.preview.pages(file.numPages)), ...frames);
  for (const frame of frames) near.observe(frame);
}

async function draw(/** @type {PdfFile} */ file, /** @type {HTMLElement} */ frame, /** @type {AbortSignal} */ signal) {
  if (frame.firstChild) return;
  const number = Number(frame.dataset.page);
  const canvas = h("canvas", { role: "img", "aria-label": T.preview.page(number, file.numPages) });
  frame.append(canvas);
  const page = await file.getPage(number);
  const natural = page.getViewport({ scale: 1 });
  frame.style.aspectRatio = `${natural.width} / ${natural.height}`;
  let scale = (frame.clientWidth / natural.width) * (globalThis.devicePixelRatio || 1);
  scale *= Math.min(1, Math.sqrt(MAX_PIXELS / (natural.width * natural.height * scale * scale)));
  const viewport = page.getViewport({ scale });
  canvas.width = Math.ceil(viewport.width);
  canvas.height = Math.ceil(viewport.height);
  await page.render({ canvas, viewport }).promise;
  // For screen readers the words of the page, which the canvas does not have.
  const { items } = await page.getTextContent();
  if (!signal.aborted && canvas.isConnected) {
    frame.append(h("div", { class: "unseen" }, items.map((item) => item.str).join(" ")));
  }
}
