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
