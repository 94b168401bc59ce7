// The kind of a file, from its media type or, while that is unknown, its extension: a word, a colour, a kind of
// preview.

const NAMES = new Map([
  ["application/pdf", "PDF"],
  ["application/json", "JSON"],
  ["application/yaml", "YAML"],
  ["application/toml", "TOML"],
  ["application/x-ndjson", "JSON lines"],
  ["application/zip", "ZIP archive"],
  ["application/gzip", "gzip archive"],
  ["application/epub+zip", "E-book"],
  ["application/octet-stream", "Unknown"],
  ["application/vnd.openxmlformats-officedocument.wordprocessingml.document", "Word document"],
  ["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "Excel sheet"],
  ["application/vnd.openxmlformats-officedocument.presentationml.presentation", "PowerPoint slides"],
  ["application/vnd.oasis.opendocument.text", "OpenDocument text"],
  ["application/vnd.oasis.opendocument.spreadsheet", "OpenDocument sheet"],
  ["application/vnd.oasis.opendocument.presentation", "OpenDocument slides"],
  ["application/msword", "Word document"],
  ["application/vnd.ms-excel", "Excel sheet"],
  ["application/vnd.ms-powerpoint", "PowerPoint slides"],
  ["application/vnd.ms-outlook", "Outlook message"],
  ["application/vnd.ms-word.document.macroEnabled.12", "Word document with macros"],
  ["application/vnd.ms-excel.sheet.macroEnabled.12", "Excel sheet with macros"],
  ["application/vnd.ms-excel.sheet.binary.macroEnabled.12", "Excel sheet, binary"],
  ["application/vnd.ms-powerpoint.presentation.macroEnabled.12", "PowerPoint slides with macros"],
  ["application/vnd.openxmlformats-officedocument.wordprocessingml.template", "Word template"],
  ["application/vnd.openxmlformats-officedocument.spreadsheetml.template", "Excel template"],
  ["application/vnd.openxmlformats-officedocument.presentationml.template", "PowerPoint template"],
  ["application/vnd.openxmlformats-officedocument.presentationml.slideshow", "PowerPoint show"],
  ["application/vnd.visio", "Visio drawing"],
  ["application/x-ipynb+json", "Notebook"],
  ["application/x-subrip", "Subtitles"],
  ["message/rfc822", "Mail"],
  ["application/mbox", "Mailbox"],
  ["message/x-emlx", "Mail"],
  ["text/plain", "Plain text"],
  ["text/csv", "CSV table"],
  ["text/markdown", "Markdown"],
  ["text/html", "HTML"],
  ["text/xml", "XML"],
  ["text/x-python", "Python"],
  ["image/svg+xml", "SVG image"],
  ["audio/mpeg", "MP3 audio"],
  ["video/mp4", "MP4 video"],
]);
/** @type {[RegExp, string][]} */
const COLOURS = [
  [/^application\/pdf$/, "red"],
  [/^image\//, "violet"],
  [/^audio\//, "amber"],
  [/^video\//, "pink"],
  [/spreadsheet|excel|csv/, "green"],
  [/presentation|powerpoint/, "orange"],
  [/word|opendocument\.text|rtf|epub/, "blue"],
  [/zip|tar|compressed|gzip/, "brown"],
];
/** @type {(extensions: string[], mediaType: string) => [string, string][]} */
const all = (extensions, mediaType) => extensions.map((each) => [each, mediaType]);
const BY_EXTENSION = new Map([
  ["pdf", "application/pdf"],
  ...all(["png", "jpg", "jpeg", "gif", "webp", "svg", "avif"], "image/x"),
  ...all(["mp3", "wav", "ogg", "flac", "m4a"], "audio/x"),
  ...all(["mp4", "webm", "mov", "mkv"], "video/x"),
  ...all(["xlsx", "xls", "ods", "csv"], "spreadsheet"),
  ...all(["pptx", "ppt", "odp"], "presentation"),
  ...all(["docx", "doc", "odt", "rtf"], "word"),
  ...all(["zip", "gz", "tar", "7z"], "zip"),
]);
// An image element runs no script of an SVG and loads nothing for it.
const IMAGES = new Set(["png", "jpeg", "gif", "webp", "avif", "bmp", "svg+xml"].map((each) => `image/${each}`));
const TEXTS = new Set([
  "application/json",
  "application/yaml",
  "application/toml",
  "application/x-ndjson",
  "application/xml",
  "application/javascript",
  "application/xhtml+xml",
  "application/x-ipynb+json",
  "application/x-subrip",
  "application/mbox",
  "message/x-emlx",
]);
// Texts for programs, which people do not read as they are.
const CODED = new Set(["text/rtf", "text/richtext"]);
const FALLBACK = "slate";

/** A media type in words: "PNG image". */
export function nameOf(/** @type {string} */ mediaType) {
  const known = NAMES.get(mediaType);
  if (known) return known;
  const [group, detail] = mediaType.split("/");
  const word = (detail ?? "").replace(/^(x-|vnd\.)/, "");
  if (group === "image" || group === "audio" || group === "video") return `${word.toUpperCase()} ${group}`;
  return mediaType;
}

/** The colour of its tile. */
export function colourOf(/** @type {string | undefined} */ mediaType, /** @type {string | undefined} */ extension) {
  const known = mediaType ?? BY_EXTENSION.get(extension ?? "") ?? "";
  return COLOURS.find(([pattern]) => pattern.test(known))?.[1] ?? FALLBACK;
}

/** The kind of preview: image, pdf, text, audio, video; null if only the text that was read of it can be shown. */
export function viewOf(/** @type {string} */ mediaType) {
  if (IMAGES.has(mediaType)) return "image";
  if (mediaType === "application/pdf") return "pdf";
  if (mediaType.startsWith("audio/")) return "audio";
  if (mediaType.startsWith("video/")) return "video";
  if (CODED.has(mediaType)) return null;
  if (mediaType.startsWith("text/") || TEXTS.has(mediaType)) return "text";
  return null;
}
