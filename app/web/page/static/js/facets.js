// Filters with the number of hits each would leave. A facet is counted under all filters but its own, so that what else
// there is to choose stays in sight.

import { DateRange } from "./daterange.js";
import { button, h } from "./dom.js";
import { count } from "./format.js";
import { nameOf } from "./kinds.js";
import { DATES } from "./state.js";
import { T } from "./texts.js";

// Values of a facet before "more".
const FEW = 6;

// Each facet: its choices in the present state as {key, label, number, chosen, toggle(state)}.

/** A facet of values, of which any number can be chosen together: what has one of them is found. */
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

/** Times back from now: each holds what the shorter ones have, so there is one of them at a time. */
const ages = {
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
        toggle: (now) => ({ date: now.date === key ? "" : key, from: "", to: "" }),
      }))
      .filter((each) => each.number || each.chosen);
  },
};

/** Ranges of sizes: those chosen together are one span, which another one stretches and one at its end shortens. */
const sizes = {
  name: "file_size",
  choices: (state, buckets) => {
    const low = (bucket) => bucket.from ?? 0;
    const high = (bucket) => bucket.to ?? Infinity;
    const filtered = Boolean(state.min || state.max);
    const from = Number(state.min);
    const to = state.max ? Number(state.max) + 1 : Infinity;
    const span = (start, end) => ({ min: start > 0 ? String(start) : "", max: end < Infinity ? String(end - 1) : "" });
    const toggled = (bucket, chosen) => {
      if (!filtered) return span(low(bucket), high(bucket));
      if (!chosen) return span(Math.min(from, low(bucket)), Math.max(to, high(bucket)));
      if (low(bucket) === from) return high(bucket) === to ? span(0, Infinity) : span(high(bucket), to);
      return span(from, low(bucket));
    };
    return buckets
      .map((bucket) => {
        const chosen = filtered && low(bucket) >= from && high(bucket) <= to;
        return {
          key: bucket.key,
          number: bucket.doc_count,
          label: T.facets.sizes(bucket.from, bucket.to),
          chosen,
          toggle: () => toggled(bucket, chosen),
        };
      })
      .filter((each) => each.number || each.chosen);
  },
};

const FACETS = [
  lists("kind", "media_type", nameOf),
  ages,
  sizes,
  lists("dialect", "dialect", (key) => T.dialects.get(key) ?? key),
];

export class Facets {
  /** `change(toggle)`: a choice; `edit(what, part)`: a date that is being typed. */
  constructor({ change, edit }) {
    this.change = change;
    this.all = new Set();
    /** @type {{ state: any, aggregations: any }} */
    this.last = { state: {}, aggregations: {} };
    this.range = new DateRange({ edit });
    this.groups = FACETS.map((facet) => {
      const choices = h("div", {});
      // The dates stay where they are: in a field that moves, what is half typed would be lost.
      const more = facet === ages ? this.range.element : null;
      return { facet, choices, element: h("fieldset", { hidden: true }, h("legend", {}, T.facets[facet.name]), choices, more) };
    });
    this.element = h("div", { class: "facets" }, ...this.groups.map((group) => group.element));
  }

  draw(state, aggregations) {
    this.last = { state, aggregations };
    // The box that was used keeps the focus although it is another one now.
    const active = document.activeElement;
    const focused = active && this.groups.some((group) => group.choices.contains(active)) ? active.id : "";
    for (const group of this.groups) this.drawGroup(group, state, aggregations[group.facet.name]?.buckets ?? []);
    this.range.draw(state);
    if (focused) document.getElementById(focused)?.focus();
  }

  drawGroup({ facet, element, choices: place }, state, buckets) {
    const choices = facet.choices(state, buckets);
    // One choice that everything has anyway says nothing.
    const idle = facet.name === "dialect" && choices.length === 1 && !choices[0].chosen;
    const ranged = facet === ages && Boolean(state.from || state.to);
    element.hidden = idle || (!choices.length && !ranged);
    const all = this.all.has(facet.name);
    const shown = all ? choices : choices.filter((each, position) => position < FEW || each.chosen);
    const left = choices.length - shown.length;
    place.replaceChildren(...shown.map((choice) => this.choice(facet, choice)));
    if (choices.length > FEW && (left || all)) place.append(this.more(facet, all, left));
  }

  more(facet, all, left) {
    return button(all ? T.facets.fewer : T.facets.more(left), {
      kind: "plain small",
      id: `more-${facet.name}`,
      "aria-expanded": String(all),
      click: () => {
        if (all) this.all.delete(facet.name);
        else this.all.add(facet.name);
        this.draw(this.last.state, this.last.aggregations);
      },
    });
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
