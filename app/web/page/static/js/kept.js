// The text that the server has read of a file, as a search finds it, with headings where pages and files inside begin.

import * as api from "./api.js";
import { h } from "./dom.js";
import { bytes } from "./format.js";
import { T, whyNot } from "./texts.js";
import { PIECE, TextView } from "./textview.js";

/** @typedef {import("./api.js").Part} Part */
/** @typedef {import("./api.js").Source} Source */

/** The word for the pages of a file, by its media type. */
export function pageWord(/** @type {string} */ mediaType) {
  if (/presentation|powerpoint/.test(mediaType)) return T.preview.parts.slide;
  if (/spreadsheet|excel|\.sheet/.test(mediaType)) return T.preview.parts.sheet;
  if (/epub/.test(mediaType)) return T.preview.parts.chapter;
  return T.preview.parts.page;
}

const pathOf = (/** @type {string} */ id) => `/attachment/${encodeURIComponent(id)}/text`;

const apart = (/** @type {Node[]} */ nodes, /** @type {string} */ between) => nodes.flatMap((node, at) => (at ? [between, node] : [node]));

/** Headings for the parts of a text, as TextView takes them. */
export function headingsOf(/** @type {Part[]} */ parts, /** @type {string} */ mediaType) {
  // A heading that says that everything is on page 1 is of no use.
  if (parts.length === 1 && parts[0].page !== undefined && !parts[0].title) return [];
  let word = pageWord(mediaType);
  /** @type {"h3" | "h4"} */
  let level = "h3";
  return parts.map(({ at, page = 0, title, file }) => {
    if (file) {
      // The media type of a file inside is not known here.
      word = T.preview.parts.page;
      level = "h4";
      const names = file.map((name) => h("bdi", {}, name));
      const element = h("h3", { class: "part file" }, ...apart(names, " › "));
      return { at, element, line: file.at(-1) ?? "", path: file.join("/") };
    }
    const named = title ? [": ", h("bdi", {}, title)] : [];
    const element = h(level, { class: "part" }, word(page), ...named);
    // Pages of a file inside are its own.
    return { at, element, line: "", ...(level === "h3" && { page }) };
  });
}

/**
 * The text that was read of an attachment, { element, view }; null when there is none. `source`: what is known of the
 * attachment; `changed()`: called when the text is another one by now.
 *
 * @param {{ source: Source, pattern: RegExp | null, signal: AbortSignal, changed: () => void }} given
 */
export async function keptText({ source, pattern, signal, changed }) {
  const path = pathOf(source.id);
  let first;
  let about;
  try {
    [first, about] = await Promise.all([api.piece(path, 0, PIECE, { signal }), api.parts(source.id, signal)]);
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
  const same = first.tag === `"${about.sha256}"`;
  const view = new TextView({
    path,
    first,
    label: T.preview.text(source.name),
    headings: same ? headingsOf(about.parts ?? [], source.media_type ?? "") : [],
    pattern,
    signal,
    changed,
  });
  const element = h(
    "div",
    { class: "kept" },
    h("p", { class: "quiet small" }, T.preview.kept),
    view.element,
    same && about.cut && h("p", { class: "quiet small" }, T.preview.keptCut(bytes(about.size))),
  );
  return { element, view };
}

/**
 * What is at a place of the text that was read of an attachment. `page`: the page of the file itself, 0 where that is not
 * known; `inside`: it is in a file inside, whatever page of that; `text`: what it says, '' where that can't be had.
 *
 * @param {string} id
 * @param {import("./state.js").Spot} spot
 * @param {AbortSignal} signal
 */
export async function passageAt(id, { page, start, end }, signal) {
  if (!end) return { page, inside: false, text: "" };
  try {
    const [about, said] = await Promise.all([api.parts(id, signal), api.piece(pathOf(id), start, end, { signal })]);
    const text = new TextDecoder().decode(said.bytes);
    const before = (about.parts ?? []).filter((part) => part.at <= start);
    if (before.some((part) => part.file)) return { page: 0, inside: true, text };
    return { page: before.at(-1)?.page ?? page, inside: false, text };
  } catch (error) {
    if (signal.aborted) throw error;
    // There is no text any more, or another one.
    return { page, inside: false, text: "" };
  }
}

/**
 * Why there is no text to show, as a sentence, from what `api.status` returns. Empty when there is nothing to read in
 * such a file.
 *
 * @param {{ state: string, reason: string }} status
 */
export function sentenceOf({ state, reason }) {
  if (state === "pending") return T.preview.reading;
  if (state === "failed") {
    const why = whyNot(reason);
    return `${why[0].toUpperCase()}${why.slice(1)}.`;
  }
  return state === "completed" ? "" : T.preview.unknown;
}
