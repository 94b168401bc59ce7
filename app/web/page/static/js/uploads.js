// The queue of uploads. Each file has a request of its own, so that a refusal affects no other file; a few requests run
// at a time. The browser streams a file from the disk, so its size does not matter here.

import { errorOf, proofHeaders } from "./api.js";
import { lacksStorage, T } from "./texts.js";

/** @typedef {import("./api.js").ApiError} ApiError */
/**
 * A file that is uploaded. `total`, `sent`: bytes; `speed`: bytes a second. `id`: of the attachment, once it is stored. `why`:
 * why it failed, and `again`: whether another try may succeed later. `text`: the state of its text, as a sentence.
 * `told`: whether its failure was announced.
 *
 * @typedef {{
 *   key: number,
 *   file: File,
 *   name: string,
 *   session: string,
 *   total: number,
 *   sent: number,
 *   speed: number,
 *   id: string,
 *   state: "waiting" | "sending" | "finishing" | "done" | "failed" | "cancelled",
 *   why: string,
 *   again: boolean,
 *   request: XMLHttpRequest | null,
 *   text?: string,
 *   told?: boolean,
 * }} Item
 */

// Browsers open six connections to a host: the others are left for searches.
const AT_ONCE = 3;
// Seconds over which the speed is smoothed.
const SMOOTHING = 3;
// Seconds that the queue waits after a temporary failure, longer each time, before it sends a single file: while the
// server is unavailable, or nobody is signed in, every file of a folder would fail one after the other.
const PAUSES = [2, 4, 8, 15, 30];

const REFUSALS = new Map([
  [401, T.refusals.signedOut],
  [403, T.refusals.forbidden],
  [408, T.refusals.slow],
  [413, T.refusals.tooLargeAnswer],
  [415, T.refusals.type],
  [503, T.refusals.index],
  [507, T.refusals.full],
]);

/** Why an upload failed, as a sentence, and whether another try may succeed later. */
export function refusal(/** @type {ApiError} */ error) {
  if (error.status === 0) return { why: T.refusals.network, again: true };
  if (error.status === 400 && error.reason.startsWith("Invalid file name")) return { why: T.refusals.name, again: false };
  if (lacksStorage(error)) return { why: T.refusals.storage, again: true };
  const known = REFUSALS.get(error.status);
  if (known) return { why: known, again: ![403, 413, 415].includes(error.status) };
  if (error.status < 500 && error.reason) return { why: T.refusals.invalid(error.reason), again: false };
  return { why: T.refusals.server, again: true };
}

let last = 0;

export class Uploads {
  /**
   * `changed(item)` after every change of one; `stored(item)` when one is.
   *
   * @param {{ changed: (item: Item) => void, stored: (item: Item) => void }} listeners
   */
  constructor({ changed, stored }) {
    this.changed = changed;
    this.stored = stored;
    /** @type {Item[]} */
    this.items = [];
    this.limit = Infinity;
    this.failures = 0;
    /** @type {ReturnType<typeof setTimeout> | null} */
    this.timer = null;
  }

  /** Whether the queue waits because the server accepts no files at the moment. */
  get paused() {
    return this.timer !== null;
  }

  /** Queue files for a session, which may be empty. */
  add(/** @type {File[]} */ files, /** @type {string} */ session) {
    const added = files.map((file) => {
      last += 1;
      const fits = file.size <= this.limit;
      /** @type {Item} */
      const item = {
        key: last,
        file,
        name: file.name,
        session,
        total: file.size,
        sent: 0,
        speed: 0,
        id: "",
        state: fits ? "waiting" : "failed",
        why: fits ? "" : T.refusals.tooLarge(file.size, this.limit),
        again: false,
        request: null,
      };
      return item;
    });
    this.items.push(...added);
    added.forEach(this.changed);
    this.resume();
    return added;
  }

  cancel(/** @type {Item} */ item) {
    if (item.state === "sending" || item.state === "finishing") item.request?.abort();
    if (item.state === "waiting") this.end(item, "cancelled");
  }

  cancelAll() {
    for (const item of this.items.filter((each) => each.state === "waiting")) this.end(item, "cancelled");
    for (const item of this.items) this.cancel(item);
  }

  retry(/** @type {Item} */ item) {
    if (item.state !== "failed" && item.state !== "cancelled") return;
    Object.assign(item, { state: "waiting", why: "", sent: 0, speed: 0 });
    this.changed(item);
    this.resume();
  }

  /** Try all again that may succeed now. */
  retryAll() {
    this.items.filter((item) => item.state === "failed" && item.again).forEach((item) => this.retry(item));
  }

  pause() {
    if (this.paused) return;
    const wait = PAUSES[Math.min(this.failures, PAUSES.length - 1)];
    this.failures += 1;
    this.timer = setTimeout(() => this.resume(), wait * 1000);
  }

  /** Go on, because a person asked for it or enough time has passed. */
  resume() {
    clearTimeout(this.timer ?? undefined);
    this.timer = null;
    this.pump();
  }

  /** Remove finished items from the list. */
  clear() {
    this.items = this.items.filter((item) => this.isRunning(item));
  }

  isRunning(/** @type {Item} */ item) {
    return ["waiting", "sending", "finishing"].includes(item.state);
  }

  numbers() {
    const found = { running: 0, done: 0, failed: 0, again: 0 };
    for (const item of this.items) {
      if (this.isRunning(item)) found.running += 1;
      else if (item.state === "done") found.done += 1;
      else if (item.state === "failed") found.failed += 1;
      if (item.state === "failed" && item.again) found.again += 1;
    }
    return found;
  }

  pump() {
    if (this.paused) return;
    const most = this.failures ? 1 : AT_ONCE;
    let busy = this.items.filter((item) => item.state === "sending" || item.state === "finishing").length;
    for (const item of this.items) {
      if (busy >= most) return;
      if (item.state !== "waiting") continue;
      busy += 1;
      this.send(item);
    }
  }

  send(/** @type {Item} */ item) {
    const form = new FormData();
    if (item.session) form.append("session", item.session);
    form.append("files", item.file, item.name);
    const request = new XMLHttpRequest();
    item.request = request;
    item.state = "sending";
    let before = { moment: performance.now(), sent: 0 };
    request.upload.addEventListener("progress", (event) => {
      const moment = performance.now();
      const seconds = (moment - before.moment) / 1000;
      // The bytes of the form around the file do not count.
      item.sent = Math.min(item.total, Math.max(0, event.loaded - (event.total - item.total)));
      if (seconds >= 0.2) {
        const speed = (item.sent - before.sent) / seconds;
        const weight = item.speed ? Math.min(1, seconds / SMOOTHING) : 1;
        item.speed += (speed - item.speed) * weight;
        before = { moment, sent: item.sent };
      }
      this.changed(item);
    });
    request.upload.addEventListener("load", () => {
      item.state = "finishing";
      item.sent = item.total;
      this.changed(item);
    });
    request.addEventListener("load", () => this.answered(item, request));
    request.addEventListener("error", () => this.fail(item, errorOf(0, "")));
    request.addEventListener("abort", () => this.end(item, "cancelled"));
    request.open("POST", "/attachment/_upload");
    request.setRequestHeader("Accept", "application/json");
    for (const [name, value] of Object.entries(proofHeaders())) request.setRequestHeader(name, value);
    request.send(form);
    this.changed(item);
  }

  answered(/** @type {Item} */ item, /** @type {XMLHttpRequest} */ request) {
    if (request.status !== 200) {
      this.fail(item, errorOf(request.status, request.responseText));
      return;
    }
    try {
      [item.id] = JSON.parse(request.responseText).attachments;
    } catch {
      // Not the server's answer, but that of a proxy before it.
      this.fail(item, errorOf(0, ""));
      return;
    }
    this.failures = 0;
    this.end(item, "done");
    this.stored(item);
  }

  fail(/** @type {Item} */ item, /** @type {ApiError} */ error) {
    Object.assign(item, refusal(error));
    if (item.again) this.pause();
    this.end(item, "failed");
  }

  end(/** @type {Item} */ item, /** @type {Item["state"]} */ state) {
    item.state = state;
    item.request = null;
    this.changed(item);
    this.pump();
  }
}
