// Fragments of a search's answer: text escaped for HTML, with <mark> around what was found. They are parsed here as
// text, never as markup: everything that is not a <mark> of the server stays text.

import { h } from "./dom.js";

/** @typedef {import("./api.js").Hit} Hit */

const ENTITIES = new Map([
  ["&amp;", "&"],
  ["&lt;", "<"],
  ["&gt;", ">"],
  ["&quot;", '"'],
  ["&#x27;", "'"],
  ["&#x2F;", "/"],
  ["&#39;", "'"],
  ["&#47;", "/"],
]);
const ENTITY = /&(?:amp|lt|gt|quot|#x27|#x2F|#39|#47);/g;

const plain = (/** @type {string} */ text) => text.replace(ENTITY, (entity) => ENTITIES.get(entity) ?? entity);

/** The path of the file inside that has the fragment `number` of a hit; '' for none. */
export const fileOf = (/** @type {Hit | undefined} */ hit, number = 0) => plain(hit?.highlight?.file?.[number] ?? "");

/**
 * The passage of a hit that is near to what was searched for: what it says, where it is in the text that was read of the
 * attachment, and the path of the file inside that has it, or ''. Null where the hit was found by its words alone.
 *
 * @param {Hit | undefined} hit
 * @returns {{ text: string, file: string, spot: import("./state.js").Spot } | null}
 */
export function passageOf(hit) {
  const { passage, ...places } = hit?.highlight ?? {};
  if (!passage?.[0]) return null;
  const number = (/** @type {string} */ name) => Number(places[`passage.${name}`]?.[0]) || 0;
  const file = plain(places["passage.file"]?.[0] ?? "");
  return { text: plain(passage[0]), file, spot: { page: number("page"), start: number("start"), end: number("end") } };
}

/** The marked words of a fragment; marked words without blanks between them are joined. */
export function marksOf(/** @type {string} */ fragment) {
  /** @type {string[]} */
  const found = [];
  let open = false;
  let together = false;
  for (const piece of fragment.split(/(<\/?mark>)/)) {
    if (piece === "<mark>") open = true;
    else if (piece === "</mark>") open = false;
    else if (piece) {
      if (open && together) found.push(found.pop() + plain(piece));
      else if (open) found.push(plain(piece));
      together = open;
    }
  }
  return found;
}

/** Text nodes and <mark> elements for a fragment. */
export function marked(/** @type {string} */ fragment) {
  const nodes = [];
  let open = false;
  for (const piece of fragment.split(/(<\/?mark>)/)) {
    if (piece === "<mark>") open = true;
    else if (piece === "</mark>") open = false;
    else if (piece) nodes.push(open ? h("mark", {}, plain(piece)) : document.createTextNode(plain(piece)));
  }
  return nodes;
}
