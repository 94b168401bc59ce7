// Every sentence of the page.

import { bytes, count, dayOf } from "./format.js";

/** @typedef {import("./api.js").ApiError} ApiError */

const files = (/** @type {number} */ number) => (number === 1 ? "1 file" : `${count(number)} files`);

export const T = {
  title: "Attachments",
  skip: "Skip to the results",
  loading: "Loading…",
  message: "Message",
  dismiss: "Dismiss",

  signIn: {
    heading: "Sign in",
    lead: "Show an API token once. Your browser then keeps a cookie that scripts can’t read, not the token.",
    label: "API token",
    submit: "Sign in",
    busy: "Signing in…",
    hint: "scripts/serve prints a token at its first start; scripts/token create makes more.",
    wrong: "This token is not valid. It may be mistyped, expired or revoked.",
    often: (/** @type {number} */ seconds) => `Too many failed attempts. Try again in ${seconds} seconds.`,
    insecure: "Signing in needs HTTPS here: over plain HTTP others on the network could read the token.",
    ended: "You were signed out. Sign in to go on where you were.",
    offline: "The server does not answer. Is it running?",
    failed: "Signing in failed. Try again.",
  },
  account: {
    as: (/** @type {string} */ name) => `Signed in as ${name}`,
    signOut: "Sign out",
    signedOut: "Signed out",
  },

  search: {
    label: "Search names and contents",
    placeholder: "Search names and contents",
    results: "Results",
    filters: "Filters",
    closeFilters: "Close the filters",
    sort: "Sort by",
    sorts: {
      relevance: "Best match",
      newest: "Newest first",
      oldest: "Oldest first",
      name: "Name, A to Z",
      "name-down": "Name, Z to A",
      largest: "Largest first",
      smallest: "Smallest first",
    },
    grid: "Show as a grid",
    envelope: "Raw answer",
    envelopeTitle: "Elasticsearch’s own answer to this search, as JSON",
    found: (/** @type {number} */ number, /** @type {boolean} */ exact, /** @type {boolean} */ asked) =>
      number === 0
        ? asked
          ? "Nothing found"
          : "No attachments"
        : `${count(number)}${exact ? "" : "+"} ${number === 1 ? "attachment" : "attachments"}`,
    // Before the name of a file in an archive, a mail or a document.
    inside: "in",
    // Before a passage that means something like what was searched for, which may not be an answer.
    near: "Similar passage",
    wordsAlone: "Found by words alone, not by what they mean.",
    more: "Loading more…",
    moreFailed: "The next results could not be loaded.",
    again: "Try again",
    fresh: "New attachments have arrived",
    show: "Show them",
    clearFilters: "Clear filters",
    without: (/** @type {string} */ what) => `Remove the filter ${what}`,
  },
  empty: {
    all: "Nothing here yet",
    allHint: "Drop files anywhere on this page, paste them, or choose them. They are found as soon as they are stored.",
    session: "This session has no attachments",
    none: "Nothing matches",
    noneHint: "Try fewer words or another spelling, or clear the filters.",
  },
  down: {
    heading: "Search is not available right now",
    text: "Elasticsearch does not answer. Files that are stored stay safe and can be downloaded; new ones are not taken meanwhile.",
    retrying: "Trying again by itself…",
    back: "Search is available again",
    offline: "The server does not answer",
    offlineText: "Check your connection.",
    failed: "The search failed",
  },

  facets: {
    heading: "Filters",
    media_type: "Kind",
    created: "Date",
    file_size: "Size",
    dialect: "Came in through",
    dates: new Map([
      ["day", "Last 24 hours"],
      ["week", "Last 7 days"],
      ["month", "Last 30 days"],
      ["year", "Last 12 months"],
      ["older", "Older"],
    ]),
    from: "From",
    to: "To",
    wrongRange: "The first day must be before the last one.",
    range: (/** @type {string} */ from, /** @type {string} */ to) => {
      if (!from) return `Until ${dayOf(to)}`;
      if (!to) return `From ${dayOf(from)}`;
      return from === to ? dayOf(from) : `${dayOf(from)} to ${dayOf(to)}`;
    },
    sizes: (/** @type {number | undefined} */ low, /** @type {number | undefined} */ high) => {
      if (!low) return `Under ${bytes(high ?? 0)}`;
      return high ? `${bytes(low)} to ${bytes(high)}` : `${bytes(low)} and more`;
    },
    more: (/** @type {number} */ number) => `${count(number)} more`,
    fewer: "Fewer",
  },
  dialects: new Map([
    ["coco", "Coco and this page"],
    ["langdock", "Langdock"],
    ["coder", "Coder"],
    ["kore", "Kore.ai"],
    ["elasticsearch", "Elasticsearch"],
  ]),

  sessions: {
    heading: "Sessions",
    all: "All attachments",
    add: "New session",
    name: "Name of the session",
    nameHint: "Files you upload next belong to it. It appears in the list with its first file.",
    create: "Open it",
    cancel: "Cancel",
    title: (/** @type {string} */ name) => `Session ${name}`,
  },

  upload: {
    button: "Upload",
    files: "Choose files",
    folder: "Choose a folder",
    into: (/** @type {string} */ session) => (session ? `into the session ${session}` : "into no session"),
    drop: "Drop to upload",
    heading: "Uploads",
    region: "Uploads",
    hide: "Hide the finished ones",
    fold: "Fold the list of uploads",
    unfold: "Unfold the list of uploads",
    cancelAll: "Cancel all",
    retryAll: "Try all again",
    waiting: "Waiting",
    paused: "Waiting until the server takes files again",
    finishing: "Storing and indexing…",
    done: "Stored, found by its name",
    reading: "Stored, reading its text…",
    searchable: "Stored, its text is searchable",
    textless: "Stored; it has no readable text",
    cancelled: "Cancelled",
    cancel: (/** @type {string} */ name) => `Cancel ${name}`,
    retry: (/** @type {string} */ name) => `Try ${name} again`,
    open: (/** @type {string} */ name) => `Open ${name}`,
    progress: (/** @type {string} */ name) => `Progress of ${name}`,
    sent: (/** @type {number} */ sent, /** @type {number} */ total) => `${bytes(sent)} of ${bytes(total)}`,
    speed: (/** @type {number} */ rate) => `${bytes(rate)}/s`,
    left: (/** @type {string} */ text) => `${text} left`,
    others: (/** @type {number} */ number) => `and ${files(number)} more`,
    summary: (/** @type {number} */ running, /** @type {number} */ done, /** @type {number} */ failed) =>
      [
        running ? `${files(running)} uploading` : "",
        done ? `${count(done)} done` : "",
        failed ? `${count(failed)} failed` : "",
      ]
        .filter(Boolean)
        .join(", "),
    added: (/** @type {number} */ number) => `${files(number)} added to the uploads`,
    allArrived: (/** @type {number} */ number) => `${files(number)} uploaded`,
    failed: (/** @type {string} */ name, /** @type {string} */ why) => `${name} was not uploaded. ${why}`,
    denied: "Your token may not upload.",
    emptyDrop: "Nothing in there can be uploaded: only files and folders can.",
  },

  // Why an upload was refused, by what the server answered.
  refusals: {
    tooLarge: (/** @type {number} */ size, /** @type {number} */ limit) => `It has ${bytes(size)}; the server takes files of at most ${bytes(limit)}.`,
    tooLargeAnswer: "It is larger than the server takes.",
    name: "Its name can’t be kept: names have at most 1,024 bytes and no control character NUL.",
    type: "Files of this type are not taken.",
    full: "The server’s disk is full. Nothing of the file was kept.",
    signedOut: "You are signed out. Sign in, then try again.",
    forbidden: "Your token may not upload.",
    slow: "It arrived too slowly, and the server gave up. Try again on a better connection.",
    index: "Elasticsearch is not available, so the server takes no files right now. Try again in a moment.",
    storage: "The storage is not available, so the server takes no files right now. Try again in a moment.",
    network: "The connection was lost, or the file changed on your disk. Try again.",
    invalid: (/** @type {string} */ reason) => `The server refused it: ${reason}.`,
    server: "The server met an error. Try again.",
  },

  preview: {
    region: "Preview and details",
    close: "Close the preview",
    none: "No preview for this kind of file",
    noneHint: "Download it to look at it.",
    failed: "The preview could not be shown.",
    image: (/** @type {string} */ name) => `The image ${name}`,
    text: (/** @type {string} */ name) => `The text of ${name}`,
    cut: (/** @type {number} */ size) => `The first ${bytes(size)} are shown.`,
    more: "Show more",
    paper: "The text goes on. Only what was on screen so far is printed.",
    moreFailed: "The text could not be loaded any further.",
    kept: "The text that was read of the file, as it is searched:",
    keptCut: (/** @type {string} */ size) => `Of a longer text the first ${size} were read.`,
    reading: "Its text is being read…",
    unknown: "Whether its text could be read is not known right now.",
    parts: {
      page: (/** @type {number} */ number) => `Page ${count(number)}`,
      slide: (/** @type {number} */ number) => `Slide ${count(number)}`,
      sheet: (/** @type {number} */ number) => `Sheet ${count(number)}`,
      chapter: (/** @type {number} */ number) => `Chapter ${count(number)}`,
    },
    empty: "The file is empty.",
    page: (/** @type {number} */ number, /** @type {number} */ all) => `Page ${number} of ${all}`,
    pages: (/** @type {number} */ all) => (all === 1 ? "1 page" : `${count(all)} pages`),
    password: "This PDF needs a password. Download it to open it.",
    missing: "This attachment does not exist (any more).",
    download: "Download",
    remove: "Delete",
    copyLink: "Copy link",
    copyCurl: "Copy curl line",
    copied: "Copied",
    copyFailed: "Your browser does not let this page copy.",
    details: "Details",
    passages: "Passages found",
    showPassage: "Show it in the text",
    reveal: (/** @type {string} */ file) => `Show where ${file} begins`,
    fields: {
      kind: "Kind",
      size: "Size",
      created: "Uploaded",
      updated: "Changed",
      session: "Session",
      owner: "Token",
      dialect: "Came in through",
      extraction: "Text inside",
      id: "Id",
      sha256: "SHA-256",
    },
    noSession: "none",
    extraction: new Map([
      ["pending", "being read…"],
      ["completed", "searchable"],
      ["failed", "could not be read"],
      ["unknown", "not known right now"],
    ]),
    // Why nothing in a file is found: the reasons that the server gives.
    reasons: new Map([
      ["unsupported", "not searchable: files of this kind are not read"],
      ["empty", "nothing to search: there is no text in it"],
      ["encrypted", "could not be read: it is protected by a password"],
      ["damaged", "could not be read: the file is damaged"],
      ["unreadable", "could not be read: it is damaged, protected, or of an unknown kind"],
      ["timeout", "could not be read: it takes longer than a file may"],
      ["memory", "could not be read: it takes more memory than a file may"],
      ["too-large", "not read: it is larger than what is read"],
      ["crashed", "could not be read: the reader failed on it"],
      ["interrupted", "could not be read: the server ended each time that it tried"],
      ["missing-bytes", "could not be read: its bytes are missing on the server"],
      ["environment", "not read yet: the server lacks something that it needs for it, and will try again"],
    ]),
  },

  remove: {
    heading: "Delete this file?",
    text: (/** @type {string} */ name) => `“${name}” is removed from the disk and from every search. This can’t be undone.`,
    confirm: "Delete",
    cancel: "Keep it",
    done: (/** @type {string} */ name) => `${name} is deleted`,
    failed: "It could not be deleted.",
    denied: "Your token may not delete.",
  },

  errors: {
    network: "The server does not answer. Check your connection.",
    index: "Elasticsearch is not available right now. Try again in a moment.",
    storage: "The storage is not available right now. Try again in a moment.",
    server: "The server met an error.",
  },
};

/** Why nothing in a file is found: for a reason that the server gives. */
export const whyNot = (/** @type {string} */ reason) => T.preview.reasons.get(reason) ?? T.preview.reasons.get("unreadable") ?? "";

/** Whether the server can't reach its object store, and Elasticsearch is not the reason. */
export const lacksStorage = (/** @type {ApiError} */ error) =>
  error.status === 503 && error.reason === "The storage is not available";

/** A sentence for what a call met. */
export function sentence(/** @type {ApiError} */ error) {
  if (error.status === 0) return T.errors.network;
  if (lacksStorage(error)) return T.errors.storage;
  if (error.status === 503) return T.errors.index;
  if (error.status >= 500 || !error.reason) return T.errors.server;
  return `${error.reason[0].toUpperCase()}${error.reason.slice(1)}.`;
}
