// One attachment in detail: its preview, what is known about it, and its actions.

import { find, status } from "./api.js";
import { button, h, icon, set } from "./dom.js";
import { bytes, count, inFull } from "./format.js";
import { fileOf, marked, passageOf } from "./highlight.js";
import { pageWord } from "./kept.js";
import { nameOf } from "./kinds.js";
import { announce } from "./live.js";
import { Look } from "./look.js";
import { patternOf } from "./marks.js";
import { write } from "./state.js";
import { T, sentence, whyNot } from "./texts.js";

/** @typedef {Parameters<typeof icon>[0]} Icon */
/** @typedef {import("./api.js").Hit} Hit */
/** @typedef {import("./dom.js").Child} Child */
/** @typedef {import("./state.js").Spot} Spot */

// Milliseconds between two requests for the state of a pending extraction.
const LOOK = 1500;

const address = (/** @type {string} */ id) => `/attachment/${encodeURIComponent(id)}`;

export class Preview {
  /**
   * `scopes()`: those of the token.
   *
   * @param {{
   *   close: () => void,
   *   remove: (hit: Hit) => void,
   *   session: (session: string) => void,
   *   scopes: () => string[],
   * }} actions
   */
  constructor({ close, remove, session, scopes }) {
    this.actions = { close, remove, session };
    this.scopes = scopes;
    this.id = "";
    /** @type {string} */
    this.revealed = "";
    /** @type {Hit | undefined} */
    this.hit = undefined;
    /** @type {Spot | null} */
    this.linked = null;
    /** @type {Look | null} */
    this.look = null;
    /** @type {((found: { state: string, reason: string }) => void) | null} */
    this.settle = null;
    this.body = h("div", { class: "preview-scroll", tabindex: "0", role: "group", "aria-label": T.preview.details });
    this.name = h("h2", { tabindex: "-1" });
    this.element = h(
      "section",
      { class: "preview", "aria-label": T.preview.region, hidden: true },
      h("header", {}, this.name, button(T.preview.close, { icon: "close", only: true, kind: "plain", click: close })),
      this.body,
    );
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        close();
      }
    });
  }

  /**
   * Show the attachment `id`; the list may have a `hit` of it already. `spot`: where to open it, which otherwise is the passage
   * of that hit.
   *
   * @param {string} id
   * @param {Hit | undefined} hit
   * @param {{ focus?: boolean, spot?: Spot | null }} [how]
   */
  async show(id, hit, { focus = false, spot = null } = {}) {
    this.linked = spot;
    if (this.id === id && !this.element.hidden) {
      if (spot) this.look?.go(spot);
      if (focus) this.name.focus();
      return;
    }
    this.stop();
    this.id = id;
    this.hit = hit;
    this.look = null;
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.element.hidden = false;
    this.name.textContent = hit?._source.name ?? "";
    this.body.replaceChildren(h("p", { class: "quiet" }, T.loading));
    this.body.scrollTop = 0;
    if (focus) this.name.focus();
    try {
      const found = hit?._source.media_type ? hit : await find(id);
      if (signal.aborted) return;
      if (found === null) this.body.replaceChildren(h("p", {}, T.preview.missing));
      else this.draw(found, signal);
    } catch (error) {
      if (!signal.aborted) this.body.replaceChildren(h("p", {}, sentence(error)));
    }
  }

  hide() {
    this.stop();
    this.id = "";
    this.element.hidden = true;
    this.body.replaceChildren();
  }

  stop() {
    this.abort?.abort();
    clearTimeout(this.timer);
  }

  draw(/** @type {Hit} */ hit, /** @type {AbortSignal} */ signal) {
    const source = hit._source;
    this.name.replaceChildren(h("bdi", { title: source.name }, source.name));
    this.passages = h("div", { hidden: true });
    const settled = new Promise((resolve) => {
      this.settle = resolve;
    });
    const shown = () => this.found(this.hit);
    this.revealed = "";
    this.look = new Look({ source, url: address(source.id), settled, spot: this.spot, signal, shown });
    this.body.replaceChildren(this.look.element, this.buttons(hit), this.passages, this.details(hit, signal));
    this.found(this.hit);
  }

  /** Where the attachment is to be open; null: at its beginning. */
  get spot() {
    return this.linked ?? passageOf(this.hit)?.spot ?? null;
  }

  buttons(/** @type {Hit} */ hit) {
    const id = hit._source.id;
    const url = new URL(address(id), location.href).href;
    const curl = `curl -OJ -H "X-API-TOKEN: $TOKEN" '${url}'`;
    const link = new URL(`/page/${write({ open: id })}`, location.href).href;
    const download = h(
      "a",
      { class: "button primary", href: address(id), download: "" },
      icon("download"),
      h("span", {}, T.preview.download),
    );
    return h(
      "div",
      { class: "buttons" },
      download,
      this.copy(T.preview.copyLink, "link", link),
      this.copy(T.preview.copyCurl, "terminal", curl),
      this.scopes().includes("delete") &&
        button(T.preview.remove, { icon: "trash", kind: "danger-plain", click: () => this.actions.remove(hit) }),
    );
  }

  copy(/** @type {string} */ label, /** @type {Icon} */ drawing, /** @type {string} */ text, props = {}) {
    const words = h("span", {}, label);
    const made = h(
      "button",
      {
        type: "button",
        class: "button",
        "data-copies": text,
        ...props,
        on: {
          click: async () => {
            let said = T.preview.copied;
            try {
              await navigator.clipboard.writeText(text);
            } catch {
              said = T.preview.copyFailed;
            }
            words.textContent = said;
            announce(said);
            setTimeout(() => {
              words.textContent = label;
            }, 2000);
          },
        },
      },
      icon(drawing),
      words,
    );
    return made;
  }

  /**
   * Show what the search on screen found in the present attachment: `hit`, if the search found the attachment at all.
   */
  found(/** @type {Hit | undefined} */ hit) {
    this.hit = hit;
    if (!this.passages || !this.look) return;
    const fragments = hit?.highlight?.content ?? [];
    const near = passageOf(hit);
    this.look.mark(patternOf(fragments));
    this.look.go(this.spot);
    this.passages.hidden = !fragments.length && !near;
    this.passages.replaceChildren(
      h("h3", {}, T.preview.passages),
      ...(near ? [this.near(near)] : []),
      ...fragments.map((fragment, number) =>
        h("blockquote", { dir: "auto" }, ...marked(fragment), this.inside(fileOf(hit, number))),
      ),
    );
    if (!this.spot) this.reveal(fileOf(hit));
  }

  /** The passage that is near to what was searched for, with a button that leads to it. */
  near(/** @type {NonNullable<ReturnType<typeof passageOf>>} */ { text, file, spot }) {
    const go = () => {
      this.look?.go(spot, { again: true });
      // It is at the top of the preview.
      this.body.scrollTop = 0;
    };
    const page = spot.page && !file ? pageWord(this.hit?._source.media_type ?? "")(spot.page) : "";
    return h(
      "blockquote",
      { class: "near", dir: "auto" },
      h("p", { class: "label", dir: "ltr" }, [T.search.near, page].filter(Boolean).join(" · ")),
      h("p", {}, text),
      file && h("p", { class: "inside", dir: "ltr" }, T.search.inside, " ", h("bdi", {}, file)),
      this.look?.leads &&
        h("p", { dir: "ltr" }, h("button", { type: "button", class: "way", on: { click: go } }, T.preview.showPassage)),
    );
  }

  /** The file inside that has a passage; a button that leads to it if its text is shown. */
  inside(/** @type {string} */ file) {
    if (!file) return null;
    const name = h("bdi", {}, file);
    const go = () => {
      this.look?.reveal(file);
      // The text is at the top of the preview.
      this.body.scrollTop = 0;
    };
    const place = this.look?.has(file)
      ? h("button", { type: "button", class: "way", title: T.preview.reveal(file), on: { click: go } }, name)
      : name;
    return h("p", { class: "inside", dir: "ltr" }, T.search.inside, " ", place);
  }

  /** Show the file inside that was found first, unless that was shown before. */
  reveal(/** @type {string} */ file) {
    const { look } = this;
    if (!file || this.revealed === file || !look?.has(file)) return;
    this.revealed = file;
    look.reveal(file, () => this.look === look && this.revealed === file);
  }

  details(/** @type {Hit} */ hit, /** @type {AbortSignal} */ signal) {
    const source = hit._source;
    const names = T.preview.fields;
    const list = h("dl", {});
    const add = (/** @type {string} */ name, /** @type {Child[]} */ ...content) => list.append(h("div", {}, h("dt", {}, name), h("dd", {}, ...content)));
    if (source.media_type) add(names.kind, nameOf(source.media_type), h("span", { class: "quiet" }, ` ${source.media_type}`));
    if (source.size !== undefined) {
      add(names.size, bytes(source.size), source.size >= 1024 && h("span", { class: "quiet" }, ` ${count(source.size)} bytes`));
    }
    if (source.created) add(names.created, h("time", { datetime: source.created }, inFull(source.created)));
    if (source.updated && source.updated !== source.created) {
      add(names.updated, h("time", { datetime: source.updated }, inFull(source.updated)));
    }
    add(names.session, source.session ? this.sessionLink(source.session) : h("span", { class: "quiet" }, T.preview.noSession));
    const state = h("span", { class: "extraction" });
    add(names.extraction, state);
    this.watch(source.id, state, signal);
    if (source.dialect) add(names.dialect, T.dialects.get(source.dialect) ?? source.dialect);
    if (source.owner) add(names.owner, h("bdi", {}, source.owner));
    add(names.id, h("code", {}, source.id));
    if (source.sha256) add(names.sha256, h("code", {}, source.sha256));
    return h("section", { class: "details" }, h("h3", {}, T.preview.details), list);
  }

  sessionLink(/** @type {string} */ session) {
    return h(
      "a",
      {
        href: `/page/${write({ session })}`,
        on: {
          click: (event) => {
            if (event.metaKey || event.ctrlKey || event.shiftKey) return;
            event.preventDefault();
            this.actions.session(session);
          },
        },
      },
      h("bdi", {}, session),
    );
  }

  async watch(/** @type {string} */ id, /** @type {HTMLElement} */ place, /** @type {AbortSignal} */ signal) {
    let found;
    try {
      found = await status(id);
    } catch {
      found = { state: "unknown", reason: "" };
    }
    if (signal.aborted) return;
    const state = T.preview.extraction.has(found.state) ? found.state : "unknown";
    place.textContent = state === "failed" ? whyNot(found.reason) : (T.preview.extraction.get(state) ?? "");
    set(place, { "data-state": state });
    if (state !== "pending") this.settle?.(found);
    else this.timer = setTimeout(() => this.watch(id, place, signal), LOOK);
  }
}
