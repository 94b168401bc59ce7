// A range from one day to another: two date fields of the browser.

import { h } from "./dom.js";
import { warn } from "./live.js";
import { EARLIEST, LATEST } from "./state.js";
import { T } from "./texts.js";

/** @typedef {Partial<import("./state.js").State>} Part */

export class DateRange {
  /**
   * `edit(what, part)`: the state changes while `what` is being edited.
   *
   * @param {{ edit: (what: string, part: Part) => void }} actions
   */
  constructor({ edit }) {
    this.edit = edit;
    this.wrong = h("p", { class: "wrong small", id: "date-wrong" });
    this.fields = { from: this.field("from"), to: this.field("to") };
    this.element = h(
      "div",
      { class: "range" },
      h("label", {}, h("span", {}, T.facets.from), this.fields.from),
      h("label", {}, h("span", {}, T.facets.to), this.fields.to),
      this.wrong,
    );
  }

  field(/** @type {"from" | "to"} */ name) {
    return h("input", {
      type: "date",
      id: `date-${name}`,
      min: EARLIEST,
      max: LATEST,
      "aria-describedby": "date-wrong",
      on: {
        change: (event) => this.changed(name, /** @type {HTMLInputElement} */ (event.target)),
        blur: () => this.complain(),
        keydown: (event) => {
          if (event.key === "Enter") this.complain();
        },
      },
    });
  }

  changed(/** @type {"from" | "to"} */ name, /** @type {HTMLInputElement} */ input) {
    // While a year is typed it is one long ago, and half a date is empty: neither is meant.
    if (!input.validity.valid) return;
    this.wrong.textContent = "";
    this.edit(name, { [name]: input.value, date: "" });
  }

  complain() {
    const wrong = Object.values(this.fields).find((input) => !input.validity.valid);
    this.wrong.textContent = wrong ? T.facets.wrongRange : "";
    if (wrong) warn(T.facets.wrongRange);
    for (const input of Object.values(this.fields)) {
      if (input === wrong) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
  }

  /** @param {{ from: string, to: string }} days */
  draw({ from, to }) {
    for (const [input, value] of /** @type {const} */ ([[this.fields.from, from], [this.fields.to, to]])) {
      const typing = input === document.activeElement && !input.validity.valid;
      if (input.value !== value && !typing) input.value = value;
    }
    this.fields.from.max = to || LATEST;
    this.fields.to.min = from || EARLIEST;
  }
}
