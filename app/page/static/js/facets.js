// Filters with the number of hits each would leave.

import { button, h } from "./dom.js";
import { count } from "./format.js";
import { nameOf } from "./kinds.js";
import { DATES } from "./state.js";
import { T } from "./texts.js";

// Values of a facet before "more".
const FEW = 6;

// Each facet: its choices in the present state as {key, label, number, chosen, toggle(state)}.
const lists = (name, facet, label) => ({
  name: facet,
  choices: (state, buckets) => {
    const found = new Map(buckets.map((bucket) => [bucket.key, bucket.doc_count]));
    for (const value of state[name]) if (!found.has(value)) found.set(value, 0);
    return [...found].map(([key, number]) => ({
      key,
      number,
      label: label(key),
      chosen: state[name].includes(key),
      toggle: (now) => ({
        [name]: now[name].includes(key) ? now[name].filter((each) => each !== key) : [...now[name], key],
      }),
    }));
  },
});

const FACETS = [
  lists("kind", "media_type", nameOf),
  {
    name: "created",
    choices: (state, buckets) => {
      const numbers = new Map(buckets.map((bucket) => [bucket.key, bucket.doc_count]));
      let before = -1;
      // A longer time that has no more than the one before it says nothing new.
      const news = (key) => {
        const number = numbers.get(key) ?? 0;
        const is = state.date === key || (number > 0 && number !== before) || key === "older";
        before = number;
        return is;
      };
      return [...DATES.keys()]
        .filter(news)
        .map((key) => ({
          key,
          number: numbers.get(key) ?? 0,
          label: T.facets.dates[key],
          chosen: state.date === key,
          toggle: (now) => ({ date: now.date === key ? "" : key }),
        }))
        .filter((each) => each.number || each.chosen);
    },
  },
  {
    name: "file_size",
    choices: (state, buckets) => {
      const choices = buckets.map((bucket) => {
        const min = bucket.from ? String(bucket.from) : "";
        const max = bucket.to ? String(bucket.to - 1) : "";
        const chosen = Boolean(min || max) && state.min === min && state.max === max;
        return {
          key: bucket.key,
          number: bucket.doc_count,
          label: T.facets.sizes(bucket.from, bucket.to),
          chosen,
          toggle: () => (chosen ? { min: "", max: "" } : { min, max }),
        };
      });
      return choices.filter((each) => each.number || each.chosen);
    },
  },
  lists("dialect", "dialect", (key) => T.dialects.get(key) ?? key),
];

export class Facets {
  constructor({ change }) {
    this.change = change;
    this.all = new Set();
    this.element = h("div", { class: "facets" });
  }

  draw(state, aggregations) {
    this.last = [state, aggregations];
    // The box that was used keeps the focus although it is another one now.
    const focused = this.element.contains(document.activeElement) ? document.activeElement.id : "";
    const groups = FACETS.map((facet) => this.group(facet, state, aggregations[facet.name]?.buckets ?? []));
    this.element.replaceChildren(...groups.filter(Boolean));
    if (focused) document.getElementById(focused)?.focus();
  }

  group(facet, state, buckets) {
    const choices = facet.choices(state, buckets);
    // One choice that everything has anyway says nothing.
    if (!choices.length || (facet.name === "dialect" && choices.length === 1 && !choices[0].chosen)) return null;
    const all = this.all.has(facet.name);
    const shown = all ? choices : choices.filter((each, position) => position < FEW || each.chosen);
    const left = choices.length - shown.length;
    const more =
      left || all
        ? button(all ? T.facets.fewer : T.facets.more(left), {
            kind: "plain small",
            id: `more-${facet.name}`,
            "aria-expanded": String(all),
            click: () => {
              if (all) this.all.delete(facet.name);
              else this.all.add(facet.name);
              this.draw(...this.last);
            },
          })
        : null;
    return h(
      "fieldset",
      {},
      h("legend", {}, T.facets[facet.name]),
      shown.map((choice) => this.choice(facet, choice)),
      choices.length > FEW ? more : null,
    );
  }

  choice(facet, { key, label, number, chosen, toggle }) {
    const id = `facet-${facet.name}-${key}`;
    const box = h("input", { type: "checkbox", id, on: { change: () => this.change(toggle) } });
    box.checked = chosen;
    return h(
      "label",
      { class: "choice", for: id },
      box,
      h("bdi", { class: "label", title: label }, label),
      h("span", { class: "number" }, count(number)),
    );
  }
}
