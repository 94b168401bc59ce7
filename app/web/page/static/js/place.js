// Where the page is: the state in its URL, the way there in the history, and words as they are typed.

import * as states from "./state.js";

/** @typedef {import("./state.js").State} State */

// Milliseconds after the last key before a search begins.
const TYPING = 150;

export class Place {
  /** `moved(state, same)`: the state is another one now; `same`: it asks for the same results as the one before. */
  constructor(/** @type {(state: State, same: boolean) => void} */ moved) {
    this.moved = moved;
    /** What is being edited, for as long as its steps are one entry in the history. */
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

  /** The address of the state as it is, but for `part`. */
  href(/** @type {Partial<State>} */ part) {
    return `/page/${states.write({ ...this.state, ...part })}`;
  }

  /** Change the state by what a person chose: an entry of its own in the history, unless `replace`. */
  change(/** @type {Partial<State>} */ part, { replace = false } = {}) {
    this.settle();
    const state = { ...this.state, ...part };
    if (states.write(state) === states.write(this.state)) return;
    const url = this.href(part);
    if (replace) history.replaceState({}, "", url);
    else history.pushState({}, "", url);
    this.editing = "";
    this.go(state);
  }

  /** Change it by what a person is still editing in the field `what`: the steps of one edit are one entry. */
  edit(/** @type {string} */ what, /** @type {Partial<State>} */ part) {
    this.change(part, { replace: this.editing === what });
    this.editing = what;
  }

  /** The words as they are by now; what is typed quickly is one change. */
  type(/** @type {() => string} */ words) {
    this.forget();
    this.words = words;
    this.timer = setTimeout(() => this.settle(), TYPING);
  }

  /** Take the words as they are, without waiting for more: what comes next comes after them. */
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
