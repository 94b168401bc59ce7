// The encoding of a text that the server has not read: by its byte order mark, otherwise UTF-8, otherwise that of older
// programs. A text that is not UTF-8 is shown as the server read it (kept.js), which knows more encodings; this is for
// texts that it has not read.

/** @type {[string, number[]][]} */
const MARKS = [
  ["utf-8", [0xef, 0xbb, 0xbf]],
  ["utf-16le", [0xff, 0xfe]],
  ["utf-16be", [0xfe, 0xff]],
];
// As browsers decode Latin-1.
const OLDER = "windows-1252";
export const UTF8 = "utf-8";

const count = (/** @type {string} */ text, /** @type {RegExp} */ pattern) => text.match(pattern)?.length ?? 0;

/**
 * Whether `text`, which was decoded as UTF-8, has another encoding. One damaged place does not show that: in an older
 * encoding nearly every letter beyond ASCII is invalid as UTF-8.
 */
// deno-lint-ignore no-control-regex
export const isOther = (/** @type {string} */ text) => count(text, /\ufffd/g) > count(text, /[^\u0000-\u007f\ufffd]/gu);

/** The encoding of `bytes`. `cut`: they are only the beginning, so the last character may be incomplete. */
export function encodingOf(/** @type {Uint8Array} */ bytes, { cut = false } = {}) {
  const marked = MARKS.find(([, mark]) => mark.every((byte, at) => bytes[at] === byte));
  if (marked) return marked[0];
  return isOther(new TextDecoder(UTF8).decode(bytes, { stream: cut })) ? OLDER : UTF8;
}
