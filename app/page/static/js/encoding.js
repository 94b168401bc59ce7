// The characters of a text whose encoding nobody names: as its first bytes say, else UTF-8, else what older programs wrote.
// Rejected: asking the server, which knows it no better, and guessing by languages, which takes a table for each.

const MARKS = [
  ["utf-8", [0xef, 0xbb, 0xbf]],
  ["utf-16le", [0xff, 0xfe]],
  ["utf-16be", [0xfe, 0xff]],
];
// As browsers take Latin-1.
const OLDER = "windows-1252";

const count = (text, pattern) => text.match(pattern)?.length ?? 0;

/** `content`, an ArrayBuffer, as text. `cut`: it is the beginning of more, so its last character may be a part of one. */
export function decoded(content, { cut = false } = {}) {
  const bytes = new Uint8Array(content);
  const marked = MARKS.find(([, mark]) => mark.every((byte, at) => bytes[at] === byte));
  const read = (encoding) => new TextDecoder(encoding).decode(content, { stream: cut });
  if (marked) return read(marked[0]);
  const text = read("utf-8");
  // One damaged place makes a text no other one: in an older encoding nearly every letter beyond ASCII is no UTF-8.
  return count(text, /\ufffd/g) > count(text, /[^\u0000-\u007f\ufffd]/gu) ? read(OLDER) : text;
}
