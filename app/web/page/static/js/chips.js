// The filters in force, above the results, each with a button that removes it.

import { button, h, icon, keepingFocus } from "./dom.js";
import { nameOf } from "./kinds.js";
import { T } from "./texts.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {Partial<State>} Change */

/** The filters in force, each as its label and the change that removes it. */
function filters(/** @type {State} */ state) {
  /** @type {{ label: string, change: Change }[]} */
  const found = [];
  const list = (/** @type {"kind" | "dialect"} */ name, /** @type {(value: string) => string} */ label) => {
    for (const value of state[name]) {
      found.push({ label: label(value), change: { [name]: state[name].filter((each) => each !== value) } });
    }
  };
  if (state.session) found.push({ label: T.sessions.title(state.session), change: { session: "" } });
  list("kind", nameOf);
  if (state.date) found.push({ label: T.facets.dates.get(state.date) ?? state.date, change: { date: "" } });
  if (state.from || state.to) {
    found.push({ label: T.facets.range(state.from, state.to), change: { from: "", to: "" } });
  }
  if (state.min || state.max) {
    const high = state.max ? Number(state.max) + 1 : 0;
    found.push({ label: T.facets.sizes(Number(state.min), high), change: { min: "", max: "" } });
  }
  list("dialect", (key) => T.dialects.get(key) ?? key);
  return found;
}

export class Chips {
  /**
   * `change(part)` takes a filter away, `clear()` all of them; `gone()`: the last one that had the focus is gone.
   *
   * @param {{ change: (part: Change) => void, clear: () => void, gone: () => HTMLElement }} actions
   */
  constructor({ change, clear, gone }) {
    this.actions = { change, clear, gone };
    this.element = h("div", { class: "chips", hidden: true });
  }

  draw(/** @type {State} */ state) {
    const all = filters(state);
    const each = all.map(({ label, change }) =>
      h(
        "button",
        {
          type: "button",
          class: "chip",
          "aria-label": T.search.without(label),
          on: { click: () => this.actions.change(change) },
        },
        h("bdi", {}, label),
        icon("close"),
      ),
    );
    if (all.length > 1) {
      each.push(button(T.search.clearFilters, { kind: "plain small", click: () => this.actions.clear() }));
    }
    const position = [...this.element.children].findIndex((child) => child === document.activeElement);
    const place = () => {
      this.element.replaceChildren(...each);
      this.element.hidden = !all.length;
    };
    keepingFocus(this.element, place, () => each[Math.min(position, all.length - 1)] ?? this.actions.gone());
  }
}
