// Marks the words that a search found, wherever they are in a text. The search itself says which words these are: in
// its fragments they are marked, with their spelling. A second parser of queries here would understand some queries
// differently.

import { h } from "./dom.js";
import { marksOf } from "./highlight.js";

// The most words, and the most characters of one.
const MOST_WORDS = 64;
const LONGEST = 300;
// Scripts without blanks between words: a word has no edge there.
const CLOSE = "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}";
const INSIDE = "[\\p{L}\\p{N}\\p{M}]";
const close = new RegExp(`[${CLOSE}]`, "u");

const escaped = (/** @type {string} */ word) => word.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");

/** An expression for the words that are marked in `fragments`; null for none. */
export function patternOf(/** @type {string[]} */ fragments) {
  const words = new Set(fragments.flatMap(marksOf).filter((word) => word && word.length <= LONGEST));
  if (!words.size) return null;
  // The longest first: of two with the same beginning, the first one matches.
  const all = [...words].sort((one, other) => other.length - one.length || (one < other ? -1 : 1)).slice(0, MOST_WORDS);
  const each = all.map((word) => {
    const before = close.test([...word][0]) ? "" : `(?<!${INSIDE})`;
    const after = close.test([...word].at(-1) ?? "") ? "" : `(?!${INSIDE})`;
    return before + escaped(word) + after;
  });
  return new RegExp(each.join("|"), "giu");
}

/** Text nodes and <mark> elements for `text`: { nodes, marks }, no more marks than `most`. */
export function nodesOf(/** @type {string} */ text, /** @type {RegExp | null} */ pattern, /** @type {number} */ most) {
  const nodes = [];
  let marks = 0;
  let from = 0;
  if (pattern) {
    for (const match of text.matchAll(pattern)) {
      if (marks >= most) break;
      if (match.index > from) nodes.push(document.createTextNode(text.slice(from, match.index)));
      nodes.push(h("mark", {}, match[0]));
      from = match.index + match[0].length;
      marks += 1;
    }
  }
  if (from < text.length) nodes.push(document.createTextNode(text.slice(from)));
  return { nodes, marks };
}
