// The search on screen: its requests, its results and further pages, and the messages when nothing is found or it
// fails.

import { button, h, icon, keepingFocus } from "./dom.js";
import { announce, warn } from "./live.js";
import { message, skeleton } from "./results.js";
import { Search } from "./search.js";
import { isFiltered } from "./state.js";
import { T, sentence } from "./texts.js";

/** @typedef {import("./api.js").ApiError} ApiError */
/** @typedef {import("./api.js").Hit} Hit */
/** @typedef {import("./search.js").Numbers} Numbers */
/** @typedef {import("./state.js").State} State */

// Milliseconds after which earlier results are shown as outdated; and milliseconds after an upload before the list is
// requested again.
const SLOW = 250;
const ARRIVING = 400;
// While files arrive, the pause after a search, as a multiple of its duration: a busy server has to store them.
const REST = 4;
// But no longer than this, in milliseconds: a person who dropped a file wants to see it arrive.
const LONGEST = 2000;
// Seconds after which a search that failed is tried again by itself, longer each time.
const RETRY = [2, 4, 8, 15, 30];

export class Finding {
  /**
   * `parts`: frame, results, facets. `state()`: the state to search for. `changed()`: the sessions may have changed.
   * `mayWrite()`; `clear()` takes all filters away; `found()`: there are other hits.
   *
   * @param {{
   *   parts: {
   *     frame: import("./frame.js").Frame,
   *     results: import("./results.js").Results,
   *     facets: import("./facets.js").Facets,
   *   },
   *   state: () => State,
   *   changed: () => void,
   *   mayWrite: () => boolean,
   *   clear: () => void,
   *   found: () => void,
   * }} given
   */
  constructor({ parts, state, changed, mayWrite, clear, found }) {
    this.frame = parts.frame;
    this.results = parts.results;
    this.facets = parts.facets;
    this.found = found;
    this.state = state;
    this.changed = changed;
    this.mayWrite = mayWrite;
    this.clear = clear;
    this.quiet = false;
    this.failures = 0;
    this.lasted = 0;
    this.search = new Search({
      page: (hits, about) => this.arrived(hits, about),
      failed: (error, first) => this.failed(error, first),
    });
  }

  /** Search again. `quiet`: no person asked for it, so nothing moves and nothing is announced. */
  async run({ quiet = false } = {}) {
    clearTimeout(this.again);
    this.quiet = quiet;
    this.frame.fresh.hidden = true;
    this.frame.main.setAttribute("aria-busy", "true");
    // Earlier results stay until the new answer arrives, and are shown as outdated if that takes long.
    const slow = setTimeout(() => this.frame.main.classList.add("waiting"), SLOW);
    if (!this.results.hits.length && !quiet) this.results.footer(skeleton());
    const began = performance.now();
    await this.search.begin(this.state());
    this.lasted = performance.now() - began;
    clearTimeout(slow);
    this.frame.main.classList.remove("waiting");
  }

  more() {
    this.search.more();
  }

  /** Something was stored: search again soon, once for many files. */
  soon() {
    if (this.arriving) return;
    this.arriving = setTimeout(() => {
      this.arriving = null;
      this.changed();
      if (this.results.atTop()) this.run({ quiet: true });
      else this.frame.fresh.hidden = false;
    }, Math.max(ARRIVING, Math.min(REST * this.lasted, LONGEST)));
  }

  /** Show what has arrived meanwhile. */
  showFresh() {
    this.results.element.scrollTop = 0;
    this.run();
    this.results.focus(0);
  }

  /**
   * @param {Hit[]} hits
   * @param {Numbers & { first: boolean, done: boolean }} about
   */
  arrived(hits, { first, done, total, exact, facets, wordsAlone }) {
    this.frame.main.removeAttribute("aria-busy");
    if (this.failures) announce(T.down.back);
    this.failures = 0;
    const hide = () => {
      this.frame.notice.hidden = true;
    };
    keepingFocus(this.frame.notice, hide, () => this.frame.input);
    const going = done ? null : h("p", { class: "quiet small" }, T.search.more);
    if (!first) {
      this.results.append(hits);
      this.results.footer(going);
      this.found();
      return;
    }
    const state = this.state();
    this.results.replace(hits, { total, exact, high: Boolean(state.q.trim()), keep: this.quiet });
    this.results.mark(state.open);
    this.found();
    const said = this.tell({ total, exact, facets, wordsAlone });
    if (!this.quiet) announce(said);
    this.results.footer(hits.length ? going : this.nothing(state));
  }

  /**
   * Show how many hits there are. Returns the sentence that says it.
   *
   * @param {Numbers} numbers
   */
  tell({ total, exact, facets, wordsAlone }) {
    const state = this.state();
    this.facets.draw(state, facets);
    this.frame.count.textContent = T.search.found(total, exact, Boolean(state.q.trim()) || isFiltered(state));
    this.frame.alone.textContent = wordsAlone ? T.search.wordsAlone : "";
    return [this.frame.count.textContent, this.frame.alone.textContent].filter(Boolean).join(". ");
  }

  /** A hit was removed from the list: the others stay in place, and the numbers are requested again. */
  async dropped() {
    if (!this.results.hits.length) {
      this.run({ quiet: true });
      return;
    }
    const asked = this.search.wanted;
    try {
      const numbers = await this.search.count();
      if (asked === this.search.wanted) this.tell(numbers);
    } catch {
      // The next search shows what is wrong.
    }
  }

  nothing(/** @type {State} */ state) {
    if (!state.q.trim() && !isFiltered({ ...state, session: "" })) {
      const choose = this.mayWrite()
        ? button(T.upload.files, { icon: "upload", kind: "primary", click: this.frame.files.choose })
        : null;
      return message("upload", state.session ? T.empty.session : T.empty.all, T.empty.allHint, choose);
    }
    const clear = isFiltered(state) ? button(T.search.clearFilters, { click: () => this.clear() }) : null;
    return message("search", T.empty.none, T.empty.noneHint, clear);
  }

  failed(/** @type {ApiError} */ error, /** @type {boolean} */ first) {
    this.frame.main.removeAttribute("aria-busy");
    if (error.status === 401) return;
    if (!first) {
      const again = button(T.search.again, { icon: "retry", click: () => this.search.more() });
      this.results.footer(h("div", { class: "message" }, h("p", {}, T.search.moreFailed), again));
      return;
    }
    const offline = error.status === 0;
    const down = error.status === 503;
    const heading = offline ? T.down.offline : down ? T.down.heading : T.down.failed;
    const text = offline ? T.down.offlineText : down ? T.down.text : sentence(error);
    const again = button(T.search.again, { icon: "retry", click: () => this.run() });
    const show = () => {
      this.frame.notice.replaceChildren(icon("alert"), h("div", {}, h("strong", {}, heading), h("p", {}, text)), again);
      this.frame.notice.hidden = false;
    };
    keepingFocus(this.frame.notice, show, () => again);
    if (!this.results.hits.length) this.results.footer();
    if (!this.failures) warn(`${heading}. ${text}`);
    if (offline || down) {
      const wait = RETRY[Math.min(this.failures, RETRY.length - 1)];
      this.failures += 1;
      this.again = setTimeout(() => {
        this.run({ quiet: true });
        this.changed();
      }, wait * 1000);
    }
  }
}
