// The state in the page's URL, its history, and words while they are typed.

import * as states from "./state.js";

/** @typedef {import("./state.js").State} State */

// Milliseconds after the last key before a search begins.
const TYPING = 150;

export class Place {
  /** `moved(state, same)`: called when the state has changed; `same`: it has the same results as the one before. */
  constructor(/** @type {(state: State, same: boolean) => void} */ moved) {
    this.moved = moved;
    /** The field that is being edited, as long as its steps are one entry in the history. */
    this.editing = "";
    /** @type {(() => string) | null} */
    this.words = null;
    this.state = states.read(location.search);
    addEventListener("popstate", () => {
      this.forget();
      this.editing = "";
      this.go(states.read(location.search));
    });
  }

  /** The URL of the present state, changed by `part`. */
  href(/** @type {Partial<State>} */ part) {
    return `/page/${states.write(states.changed(this.state, part))}`;
  }

  /** Change the state by what a person chose: a new entry in the history, unless `replace`. */
  change(/** @type {Partial<State>} */ part, { replace = false } = {}) {
    this.settle();
    const state = states.changed(this.state, part);
    if (states.write(state) === states.write(this.state)) return;
    const url = this.href(part);
    if (replace) history.replaceState({}, "", url);
    else history.pushState({}, "", url);
    this.editing = "";
    this.go(state);
  }

  /** Change it by what a person is still editing in the field `what`: all steps of one edit are one entry. */
  edit(/** @type {string} */ what, /** @type {Partial<State>} */ part) {
    this.change(part, { replace: this.editing === what });
    this.editing = what;
  }

  /** The words have changed; what is typed quickly is one change. */
  type(/** @type {() => string} */ words) {
    this.forget();
    this.words = words;
    this.timer = setTimeout(() => this.settle(), TYPING);
  }

  /** Use the words as they are now, without waiting for more: the next change comes after them. */
  settle() {
    const { words } = this;
    this.forget();
    if (words) this.edit("q", { q: words() });
  }

  forget() {
    clearTimeout(this.timer);
    this.words = null;
  }

  go(/** @type {State} */ state) {
    const same = states.sameSearch(state, this.state);
    this.state = state;
    this.moved(state, same);
  }
}
