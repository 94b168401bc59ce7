// The list of uploads in the corner: each with its progress and what can be done about it.

import { statuses } from "./api.js";
import { button, h, icon, keepingFocus, set, withNextFrame } from "./dom.js";
import { duration } from "./format.js";
import { announce, warn } from "./live.js";
import { T } from "./texts.js";

/** @typedef {import("./uploads.js").Item} Item */
/** @typedef {{ element: HTMLElement, draw: () => void }} Row */

// Rows that are shown at most: a folder of ten thousand files must not slow the page. Running and failed ones come first.
const ROWS = 50;
// Milliseconds between two requests for the states of extractions, and the most requests for one file.
const LOOK = 1000;
const LOOKS = 60;

export class Tray {
  /**
   * `open(id)`; `read()`: more texts can be searched; `gone()`: the element that gets the focus when the tray that had
   * it is gone.
   *
   * @param {{
   *   uploads: import("./uploads.js").Uploads,
   *   open: (id: string) => void,
   *   read: () => void,
   *   gone: () => HTMLElement,
   * }} given
   */
  constructor({ uploads, open, read, gone }) {
    this.gone = gone;
    this.uploads = uploads;
    this.open = open;
    this.read = read;
    /** @type {Map<number, Row>} */
    this.rows = new Map();
    this.folded = false;
    /** @type {Map<string, { item: Item, looks: number }>} */
    this.reading = new Map();
    this.drawSoon = withNextFrame(() => this.draw());
    this.summary = h("span", {});
    this.list = h("ul", { class: "uploads", role: "list" });
    this.others = h("p", { class: "quiet small", hidden: true });
    this.fold = button(T.upload.fold, { icon: "down", only: true, kind: "plain", click: () => this.toggle() });
    this.fold.setAttribute("aria-expanded", "true");
    this.stopAll = button(T.upload.cancelAll, { kind: "plain small", click: () => uploads.cancelAll() });
    this.retryAll = button(T.upload.retryAll, { kind: "plain small", click: () => uploads.retryAll() });
    this.hide = button(T.upload.hide, { icon: "close", only: true, kind: "plain", click: () => this.clear() });
    this.element = h(
      "section",
      { class: "tray", "aria-label": T.upload.region, hidden: true },
      h("header", {}, h("h2", {}, T.upload.heading, " ", this.summary), this.retryAll, this.stopAll, this.fold, this.hide),
      this.list,
      this.others,
    );
  }

  toggle() {
    this.folded = !this.folded;
    this.list.hidden = this.folded;
    this.element.classList.toggle("folded", this.folded);
    const label = this.folded ? T.upload.unfold : T.upload.fold;
    set(this.fold, { "aria-expanded": String(!this.folded), "aria-label": label, title: label });
  }

  clear() {
    this.uploads.clear();
    this.draw();
  }

  /** An item has changed: draw with the next frame, once for all changes until then. */
  changed(/** @type {Item} */ item) {
    if (item.state === "failed" && !item.told) warn(T.upload.failed(item.name, item.why));
    item.told = item.state === "failed";
    if (item.state === "done") this.watchText(item);
    this.drawSoon();
  }

  draw() {
    keepingFocus(this.element, () => this.redraw(), (before) => this.heir(before));
  }

  /** The element that gets the focus when the button that had it is gone. */
  heir(/** @type {Element} */ before) {
    if (this.element.hidden) return this.gone();
    const buttons = [...(before.closest(".upload")?.querySelectorAll("button") ?? [])];
    return buttons.find((each) => each.checkVisibility()) ?? this.fold;
  }

  redraw() {
    const { running, done, failed, again } = this.uploads.numbers();
    this.element.hidden = this.uploads.items.length === 0;
    this.summary.textContent = T.upload.summary(running, done, failed);
    this.stopAll.hidden = running < 2;
    this.retryAll.hidden = again < 2;
    this.hide.hidden = running === this.uploads.items.length;
    if (this.wasRunning && !running && done) announce(T.upload.allArrived(done));
    this.wasRunning = running > 0;

    const rank = { sending: 0, finishing: 0, failed: 1, waiting: 2, cancelled: 3, done: 3 };
    const shown = [...this.uploads.items]
      .sort((one, other) => rank[one.state] - rank[other.state] || one.key - other.key)
      .slice(0, ROWS)
      .sort((one, other) => one.key - other.key);
    const keys = new Set(shown.map((item) => item.key));
    for (const [key, row] of this.rows) {
      if (keys.has(key)) continue;
      row.element.remove();
      this.rows.delete(key);
    }
    shown.forEach((item, position) => {
      let row = this.rows.get(item.key);
      if (!row) this.rows.set(item.key, (row = this.row(item)));
      row.draw();
      if (this.list.children[position] !== row.element) this.list.insertBefore(row.element, this.list.children[position] ?? null);
    });
    const left = this.uploads.items.length - shown.length;
    this.others.hidden = left === 0;
    this.others.textContent = T.upload.others(left);
  }

  row(/** @type {Item} */ item) {
    const bar = h("progress", { max: 1000, value: 0, "aria-label": T.upload.progress(item.name) });
    const line = h("p", { class: "small quiet" });
    const mark = h("span", { class: "mark" });
    const cancel = button(T.upload.cancel(item.name), {
      icon: "close",
      only: true,
      kind: "plain",
      click: () => this.uploads.cancel(item),
    });
    const retry = button(T.upload.retry(item.name), {
      icon: "retry",
      only: true,
      kind: "plain",
      click: () => this.uploads.retry(item),
    });
    const name = h("bdi", { class: "name", title: item.name }, item.name);
    const link = h("button", { type: "button", class: "as-text", "aria-label": T.upload.open(item.name), on: { click: () => this.open(item.id) } });
    const head = h("div", { class: "upload-head" }, mark, name, retry, cancel);
    const element = h("li", {}, head, bar, line);
    let drawn = "";
    return {
      element,
      draw: () => {
        const running = this.uploads.isRunning(item);
        bar.value = item.total ? Math.round((item.sent / item.total) * 1000) : item.state === "sending" ? 0 : 1000;
        line.textContent = this.line(item);
        if (drawn === item.state) return;
        drawn = item.state;
        element.className = `upload ${item.state}`;
        bar.hidden = !running;
        cancel.hidden = !running;
        retry.hidden = !(item.state === "cancelled" || (item.state === "failed" && item.again));
        mark.replaceChildren(
          ...(item.state === "done" ? [icon("check")] : item.state === "failed" ? [icon("alert")] : []),
        );
        if (item.state === "done") {
          link.append(name);
          mark.after(link);
        }
      },
    };
  }

  line(/** @type {Item} */ item) {
    switch (item.state) {
      case "sending": {
        const parts = [T.upload.sent(item.sent, item.total)];
        if (item.speed > 0) {
          parts.push(T.upload.speed(item.speed), T.upload.left(duration((item.total - item.sent) / item.speed)));
        }
        return parts.join(" · ");
      }
      case "failed":
        return item.why;
      case "waiting":
        return this.uploads.paused ? T.upload.paused : T.upload.waiting;
      case "done":
        return item.text ?? T.upload.done;
      default:
        return T.upload[item.state];
    }
  }

  /** Show when the text of a stored file can be searched, too. */
  watchText(/** @type {Item} */ item) {
    if (this.reading.has(item.id)) return;
    this.reading.set(item.id, { item, looks: 0 });
    if (this.reading.size === 1) setTimeout(() => this.look(), LOOK / 2);
  }

  async look() {
    const ids = [...this.reading.keys()].slice(0, 100);
    let found;
    try {
      found = await statuses(ids);
    } catch {
      // The server is unavailable or busy: the file is stored all the same.
      found = /** @type {Map<string, string>} */ (new Map());
    }
    const words = new Map([
      ["pending", T.upload.reading],
      ["completed", T.upload.searchable],
      ["failed", T.upload.textless],
    ]);
    if (ids.some((id) => found.get(id) === "completed")) this.read();
    for (const id of ids) {
      const each = this.reading.get(id);
      if (!each) continue;
      each.looks += 1;
      each.item.text = words.get(found.get(id) ?? "");
      if ((found.has(id) && found.get(id) !== "pending") || each.looks >= LOOKS) this.reading.delete(id);
      if (each.looks >= LOOKS && found.get(id) === "pending") each.item.text = T.upload.done;
    }
    this.draw();
    if (this.reading.size) setTimeout(() => this.look(), LOOK);
  }
}
