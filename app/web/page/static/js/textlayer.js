// Where a passage is in the words that a PDF draws. These come in pieces, of a line or less, and what was read of the file came
// out of another program: blanks, hyphens and what stands between lines differ. So letters and digits alone are compared,
// as a whole first; where that is not there, what begins as the passage begins, up to what ends as it ends.
//
// Rejected: the text layer of pdf.js, which makes an element of each piece of each page that comes near, and needs styles of its
// own. Here there are elements for the marked pieces alone.

// The most characters of a page that are looked at.
const MOST = 200_000;
// Characters that are compared where the whole is not there, and how many beginnings and ends are tried.
const GRAM = 12;
const TRIES = 100;
// How much longer than the passage what stands for it may be.
const STRETCH = 2;

/** A piece of a page's words in which a passage is. `number`: of the piece; `from`, `to`: characters in it. */
/** @typedef {{ number: number, from: number, to: number }} Stretch */

/**
 * The letters and digits of `text`, in one spelling: of each, with `at`, which character of the text it is from.
 *
 * @param {string} text
 * @param {(letter: string, at: number) => void} take
 */
function eachLetter(text, take) {
  let at = 0;
  for (const character of text) {
    for (const letter of character.normalize("NFKC").toLowerCase()) if (/[\p{L}\p{N}]/u.test(letter)) take(letter, at);
    at += character.length;
  }
}

/**
 * Where in the pieces of a page a passage is; empty if it is not found.
 *
 * @param {string[]} pieces
 * @param {string} passage
 * @returns {Stretch[]}
 */
export function stretchesOf(pieces, passage) {
  /** @type {string[]} */
  const letters = [];
  /** @type {{ number: number, at: number }[]} */
  const owners = [];
  let left = MOST;
  for (const [number, piece] of pieces.entries()) {
    if (left <= 0) break;
    eachLetter(piece.slice(0, left), (letter, at) => {
      letters.push(letter);
      // As many owners as UTF-16 units, by which a text is indexed.
      for (let unit = 0; unit < letter.length; unit += 1) owners.push({ number, at });
    });
    left -= piece.length;
  }
  /** @type {string[]} */
  const wanted = [];
  eachLetter(passage, (letter) => wanted.push(letter));
  const [from, to] = find(letters.join(""), wanted.join(""));
  /** @type {Stretch[]} */
  const found = [];
  for (const { number, at } of owners.slice(from, to)) {
    const last = found.at(-1);
    const after = at + ((pieces[number].codePointAt(at) ?? 0) > 0xffff ? 2 : 1);
    if (last?.number === number) last.to = after;
    else found.push({ number, from: at, to: after });
  }
  return found;
}

/** The first and after the last letter of `wanted` in `page`; [0, 0] for none. */
function find(/** @type {string} */ page, /** @type {string} */ wanted) {
  if (!wanted) return [0, 0];
  const whole = page.indexOf(wanted);
  if (whole >= 0) return [whole, whole + wanted.length];
  const last = wanted.length - GRAM;
  const tries = Math.min(TRIES, Math.floor(last / 2));
  for (let skipped = 0; skipped <= tries; skipped += 1) {
    const start = page.indexOf(wanted.slice(skipped, skipped + GRAM));
    if (start < 0) continue;
    for (let cut = 0; cut <= tries; cut += 1) {
      const end = page.lastIndexOf(wanted.slice(last - cut, last - cut + GRAM), start + STRETCH * wanted.length);
      if (end > start) return [start, end + GRAM];
    }
  }
  return [0, 0];
}
