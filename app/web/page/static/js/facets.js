// Filters, each with the number of hits that it would leave. A facet is counted under all filters but its own, so that
// the other choices stay visible.

import { DateRange } from "./daterange.js";
import { button, h } from "./dom.js";
import { count } from "./format.js";
import { nameOf } from "./kinds.js";
import { DATES } from "./state.js";
import { T } from "./texts.js";

/** @typedef {import("./api.js").Bucket} Bucket */
/** @typedef {import("./state.js").State} State */
/** @typedef {(state: State) => Partial<State>} Toggle */
/** @typedef {{ key: string, label: string, number: number, chosen: boolean, toggle: Toggle }} Choice */
/**
 * A facet; `choices` returns those of the present state.
 *
 * @typedef {{
 *   name: "media_type" | "created" | "file_size" | "dialect",
 *   choices: (state: State, buckets: Bucket[]) => Choice[],
 * }} Facet
 */

// Values of a facet before "more".
const FEW = 6;

/**
 * A facet of values, of which any number can be chosen together: hits have one of them.
 *
 * @param {"kind" | "dialect"} name
 * @param {Facet["name"]} facet
 * @param {(key: string) => string} label
 * @returns {Facet}
 */
const lists = (name, facet, label) => ({
  name: facet,
  choices: (/** @type {State} */ state, /** @type {Bucket[]} */ buckets) => {
    const found = new Map(buckets.map((bucket) => [bucket.key, bucket.doc_count]));
    for (const value of state[name]) if (!found.has(value)) found.set(value, 0);
    return [...found].map(([key, number]) => ({
      key,
      number,
      label: label(key),
      chosen: state[name].includes(key),
      toggle: (/** @type {State} */ now) => ({
        [name]: now[name].includes(key) ? now[name].filter((each) => each !== key) : [...now[name], key],
      }),
    }));
  },
});

/**
 * Times back from now: each holds what the shorter ones have, so there is one of them at a time.
 *
 * @type {Facet}
 */
const ages = {
  name: "created",
  choices: (/** @type {State} */ state, /** @type {Bucket[]} */ buckets) => {
    const numbers = new Map(buckets.map((bucket) => [bucket.key, bucket.doc_count]));
    let before = -1;
    // A longer time with no more hits than the one before it is of no use.
    const news = (/** @type {string} */ key) => {
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
        label: T.facets.dates.get(key) ?? key,
        chosen: state.date === key,
        toggle: (/** @type {State} */ now) => ({ date: now.date === key ? "" : key, from: "", to: "" }),
      }))
      .filter((each) => each.number || each.chosen);
  },
};

/**
 * Ranges of sizes: those chosen together are one span, which another one stretches and one at its end shortens.
 *
 * @type {Facet}
 */
const sizes = {
  name: "file_size",
  choices: (/** @type {State} */ state, /** @type {Bucket[]} */ buckets) => {
    const low = (/** @type {Bucket} */ bucket) => bucket.from ?? 0;
    const high = (/** @type {Bucket} */ bucket) => bucket.to ?? Infinity;
    const filtered = Boolean(state.min || state.max);
    const from = Number(state.min);
    const to = state.max ? Number(state.max) + 1 : Infinity;
    const span = (/** @type {number} */ start, /** @type {number} */ end) => ({ min: start > 0 ? String(start) : "", max: end < Infinity ? String(end - 1) : "" });
    const toggled = (/** @type {Bucket} */ bucket, /** @type {boolean} */ chosen) => {
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
  /**
   * `change(toggle)`: a choice; `edit(what, part)`: a date that is being typed.
   *
   * @param {{ change: (toggle: Toggle) => void, edit: (what: string, part: Partial<State>) => void }} actions
   */
  constructor({ change, edit }) {
    this.change = change;
    /** @type {{ state: State, aggregations: Record<string, { buckets: Bucket[] }> } | null} */
    this.last = null;
    /** @type {Set<string>} */
    this.all = new Set();
    this.range = new DateRange({ edit });
    this.groups = FACETS.map((facet) => {
      const choices = h("div", {});
      // The date fields stay in place: in a field that moves, a half-typed date would be lost.
      const more = facet === ages ? this.range.element : null;
      return { facet, choices, element: h("fieldset", { hidden: true }, h("legend", {}, T.facets[facet.name]), choices, more) };
    });
    this.element = h("div", { class: "facets" }, ...this.groups.map((group) => group.element));
  }

  draw(/** @type {State} */ state, /** @type {Record<string, { buckets: Bucket[] }>} */ aggregations) {
    this.last = { state, aggregations };
    // The checkbox that was used keeps the focus, although it is a new element now.
    const active = document.activeElement;
    const focused = active && this.groups.some((group) => group.choices.contains(active)) ? active.id : "";
    for (const group of this.groups) this.drawGroup(group, state, aggregations[group.facet.name]?.buckets ?? []);
    this.range.draw(state);
    if (focused) document.getElementById(focused)?.focus();
  }

  /**
   * @param {{ facet: Facet, element: HTMLElement, choices: HTMLElement }} group
   * @param {State} state
   * @param {Bucket[]} buckets
   */
  drawGroup({ facet, element, choices: place }, state, buckets) {
    const choices = facet.choices(state, buckets);
    // A single choice that all hits have is of no use.
    const idle = facet.name === "dialect" && choices.length === 1 && !choices[0].chosen;
    const ranged = facet === ages && Boolean(state.from || state.to);
    element.hidden = idle || (!choices.length && !ranged);
    const all = this.all.has(facet.name);
    const shown = all ? choices : choices.filter((each, position) => position < FEW || each.chosen);
    const left = choices.length - shown.length;
    place.replaceChildren(...shown.map((choice) => this.choice(facet, choice)));
    if (choices.length > FEW && (left || all)) place.append(this.more(facet, all, left));
  }

  more(/** @type {Facet} */ facet, /** @type {boolean} */ all, /** @type {number} */ left) {
    return button(all ? T.facets.fewer : T.facets.more(left), {
      kind: "plain small",
      id: `more-${facet.name}`,
      "aria-expanded": String(all),
      click: () => {
        if (all) this.all.delete(facet.name);
        else this.all.add(facet.name);
        if (this.last) this.draw(this.last.state, this.last.aggregations);
      },
    });
  }

  /**
   * @param {Facet} facet
   * @param {Choice} choice
   */
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
