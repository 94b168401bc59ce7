// The list of results, in rows or as a grid: only the items near the window exist, however many there are.

import { h, icon, withNextFrame } from "./dom.js";
import { bytes, exactly, when } from "./format.js";
import { fileOf, marked, passageOf } from "./highlight.js";
import { pageWord } from "./kept.js";
import { colourOf } from "./kinds.js";
import { Layout } from "./layout.js";
import { placed } from "./state.js";
import { T } from "./texts.js";
import { LARGE, SMALL, Thumbnails } from "./thumbnails.js";

/** @typedef {Parameters<typeof icon>[0]} Icon */
/** @typedef {import("./api.js").Hit} Hit */
/** @typedef {import("./dom.js").Child} Child */

// How many items before the end the next page is requested.
const AHEAD = 40;

export class Results {
  /**
   * `more()`: the next page is needed.
   *
   * @param {{
   *   open: (id: string, options: { focus: boolean }) => void,
   *   remove: (hit: Hit) => void,
   *   href: (id: string) => string,
   *   more: () => void,
   * }} actions
   */
  constructor({ open, remove, href, more }) {
    this.actions = { open, remove, href, more };
    /** @type {Hit[]} */
    this.hits = [];
    /** @type {Map<number, HTMLLIElement>} */
    this.rows = new Map();
    this.high = false;
    this.grid = false;
    this.layout = new Layout();
    this.room = 0;
    this.thumbnails = new Thumbnails();
    this.current = 0;
    this.opened = "";
    this.total = -1;
    this.list = h("ul", { class: "rows", role: "list", "aria-label": T.search.results });
    this.foot = h("div", { class: "foot" });
    this.element = h("div", { class: "scroller", id: "results", tabindex: "-1" }, this.list, this.foot);
    this.element.addEventListener("scroll", withNextFrame(() => this.draw()), { passive: true });
    this.list.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("focusin", (event) => {
      const row = /** @type {Element} */ (event.target).closest("li");
      if (row) this.current = Number(row.dataset.position);
    });
    new ResizeObserver(() => this.fit()).observe(this.element);
  }

  /**
   * Begin with the first hits. `high`: with room for a passage. `keep`: keep the scroll position.
   *
   * @param {Hit[]} hits
   * @param {{ total: number, exact: boolean, high: boolean, keep: boolean }} how
   */
  replace(hits, { total, exact, high, keep }) {
    const focused = this.list.contains(document.activeElement);
    const before = this.hits[this.current]?._id;
    this.hits = hits;
    this.total = exact ? total : -1;
    this.high = high;
    this.thumbnails.renew();
    this.clear();
    this.measure();
    // The same hit may be at another place now.
    const position = hits.findIndex((hit) => hit._id === before);
    this.current = position >= 0 ? position : Math.min(this.current, Math.max(0, hits.length - 1));
    if (!keep) {
      this.current = 0;
      this.element.scrollTop = 0;
    }
    this.draw();
    if (focused) (this.link(this.current) ?? this.element).focus({ preventScroll: true });
  }

  /** Show them as a grid, or in rows. */
  arrange(/** @type {boolean} */ grid) {
    if (grid === this.grid) return;
    this.grid = grid;
    this.fit({ anew: true });
  }

  /** Compute the layout for the present size. Returns whether it has changed. */
  measure() {
    const before = this.layout;
    this.layout = new Layout({ grid: this.grid, high: this.high, width: this.list.clientWidth });
    this.list.classList.toggle("grid", this.layout.grid);
    this.list.classList.toggle("high", this.layout.high);
    return !this.layout.equals(before);
  }

  /** Adapt to the present size. The current item stays where it was in the window. `anew`: with new elements. */
  fit({ anew = false } = {}) {
    const before = this.layout;
    const { scrollTop, clientHeight } = this.element;
    // The items that were on screen: the window's height may have changed, too.
    const [first, last] = before.span({ scrollTop, clientHeight: this.room }, this.hits.length, { exactly: true });
    this.room = clientHeight;
    const held = this.current >= first && this.current < last ? this.current : first;
    if (this.measure()) {
      const focused = anew && this.list.contains(document.activeElement);
      if (anew) this.clear();
      for (const [position, row] of this.rows) this.layout.place(row, position);
      this.list.style.height = `${this.layout.whole(this.hits.length)}px`;
      const top = this.layout.top(held);
      const lowest = Math.max(0, clientHeight - this.layout.height);
      const isAtTop = scrollTop === 0 && top <= lowest;
      this.element.scrollTop = isAtTop ? 0 : top - Math.min(before.top(held) - scrollTop, lowest);
      this.draw();
      if (focused) this.link(this.current)?.focus({ preventScroll: true });
      return;
    }
    this.draw();
  }

  clear() {
    for (const row of this.rows.values()) row.remove();
    this.rows.clear();
  }

  append(/** @type {Hit[]} */ hits) {
    this.hits.push(...hits);
    this.draw();
  }

  /**
   * Set what is below the last row: a node, or nothing.
   *
   * @param {Node | null} [node]
   */
  footer(node = null) {
    this.foot.replaceChildren(...(node ? [node] : []));
  }

  /** Remove a hit from the list; the next one gets the focus. */
  drop(/** @type {string} */ id) {
    const position = this.hits.findIndex((hit) => hit._id === id);
    if (position < 0) return;
    this.hits.splice(position, 1);
    if (this.total > 0) this.total -= 1;
    this.clear();
    this.current = Math.min(position, Math.max(0, this.hits.length - 1));
    this.draw();
    this.focus(this.current);
  }

  /** The link of the row at a position, if it is drawn. */
  link(/** @type {number} */ position) {
    return this.rows.get(position)?.querySelector("a");
  }

  find(/** @type {string} */ id) {
    return this.hits.find((hit) => hit._id === id);
  }

  /** Where a hit is to be opened, as a part of the page's state. */
  placeOf(/** @type {string} */ id) {
    return placed(passageOf(this.find(id))?.spot ?? null);
  }

  /** Show which attachment is open. */
  mark(/** @type {string} */ id) {
    this.opened = id;
    for (const row of this.rows.values()) this.markRow(row);
  }

  markRow(/** @type {HTMLLIElement} */ row) {
    const is = row.dataset.id === this.opened && this.opened !== "";
    row.classList.toggle("opened", is);
    if (is) row.querySelector("a")?.setAttribute("aria-current", "true");
    else row.querySelector("a")?.removeAttribute("aria-current");
  }

  atTop() {
    return this.element.scrollTop < this.layout.height;
  }

  focus(position = this.current) {
    if (!this.hits.length) return;
    this.current = Math.max(0, Math.min(position, this.hits.length - 1));
    const { height } = this.layout;
    const top = this.layout.top(this.current);
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + height > scrollTop + clientHeight) this.element.scrollTop = top + height - clientHeight;
    this.draw();
    this.link(this.current)?.focus({ preventScroll: true });
  }

  draw() {
    const [first, last] = this.layout.span(this.element, this.hits.length);
    this.list.style.height = `${this.layout.whole(this.hits.length)}px`;
    /** @type {Set<number>} */
    const wanted = new Set();
    for (let position = first; position < last; position += 1) wanted.add(position);
    // The row that has the focus, or would get it, is kept: otherwise scrolling would lose the focus.
    if (this.hits.length) wanted.add(this.current);
    for (const [position, row] of this.rows) {
      if (wanted.has(position)) continue;
      row.remove();
      this.rows.delete(position);
    }
    for (const position of [...wanted].sort((one, other) => one - other)) {
      if (this.rows.has(position)) continue;
      const row = this.row(this.hits[position], position);
      this.rows.set(position, row);
      // The document has the order of the screen, because screen readers follow the document.
      const after = [...this.rows.entries()].filter(([other]) => other > position).sort(([a], [b]) => a - b)[0];
      this.list.insertBefore(row, after ? after[1] : null);
    }
    /** @type {Map<string, Element>} */
    const tiles = new Map();
    for (const [position, row] of this.rows) {
      const link = row.querySelector("a");
      if (link) link.tabIndex = position === this.current ? 0 : -1;
      const tile = row.querySelector(".tile");
      if (row.dataset.id && tile) tiles.set(row.dataset.id, tile);
    }
    this.thumbnails.show(tiles, this.grid ? LARGE : SMALL);
    if (this.hits.length && last + AHEAD >= this.hits.length) this.actions.more();
  }

  row(/** @type {Hit} */ hit, /** @type {number} */ position) {
    const source = hit._source;
    const extension = (source.icon || "").slice(0, 5);
    const named = hit.highlight?.name?.[0];
    const passage = hit.highlight?.content?.[0];
    const session = source.session;
    const tile = h("span", { class: `tile ${colourOf(source.media_type, source.icon)}`, "aria-hidden": "true" });
    tile.append(h("span", {}, extension || "file"));
    const meta = h("span", { class: "meta" }, h("span", { class: "size" }, bytes(source.size ?? 0)));
    if (source.created) {
      meta.append(h("time", { datetime: source.created, title: exactly(source.created) }, when(source.created)));
    }
    const words = h(
      "span",
      { class: "words" },
      h("bdi", { class: "name", title: source.name }, ...(named ? marked(named) : [source.name])),
      this.layout.high && h("span", { class: "passage", dir: "auto" }, ...(passage ? marked(passage) : [])),
      this.layout.high && near(hit),
      this.under(hit, session),
    );
    const link = h(
      "a",
      {
        href: this.actions.href(hit._id),
        tabindex: "-1",
        on: {
          click: (event) => {
            if (event.metaKey || event.ctrlKey || event.shiftKey) return;
            event.preventDefault();
            this.current = position;
            this.actions.open(hit._id, { focus: event.detail === 0 });
          },
        },
      },
      tile,
      words,
      meta,
    );
    const row = h(
      "li",
      { "aria-posinset": position + 1, "aria-setsize": this.total, "data-position": position, "data-id": hit._id },
      link,
    );
    this.layout.place(row, position);
    if (source.extraction?.state === "failed") row.classList.add("unread");
    this.markRow(row);
    return row;
  }

  /** Below the name: the file inside that has the passage, and the session. */
  under(/** @type {Hit} */ hit, /** @type {string | undefined} */ session) {
    const file = fileOf(hit) || passageOf(hit)?.file;
    const nodes = [
      file && h("span", { class: "inside" }, T.search.inside, " ", h("bdi", { title: file }, file)),
      session && h("bdi", { class: "session" }, session),
    ].filter(Boolean);
    return h("span", { class: "under" }, ...nodes.flatMap((node, at) => (at ? [" · ", node] : [node])));
  }

  key(/** @type {KeyboardEvent} */ event) {
    // With these keys, the arrows are the browser's back and forward.
    if (event.metaKey || event.altKey) return;
    const to = this.layout.move(event.key, this.current, this.hits.length, this.element.clientHeight);
    if (to !== undefined) {
      event.preventDefault();
      this.focus(to);
    } else if (event.key === "Delete" && this.hits[this.current]) {
      event.preventDefault();
      this.actions.remove(this.hits[this.current]);
    }
  }
}

/** The passage of a hit that is near to what was searched for; null for none. */
function near(/** @type {Hit} */ hit) {
  const found = passageOf(hit);
  if (!found) return null;
  const { text, file, spot } = found;
  const page = spot.page && !file ? `, ${pageWord(hit._source.media_type ?? "")(spot.page)}` : "";
  return h(
    "span",
    { class: "passage near" },
    h("span", { class: "label" }, `${T.search.near}${page}`),
    " ",
    h("bdi", {}, text),
  );
}

/** Placeholder rows while results are loading. */
export function skeleton() {
  const row = () => h("div", { class: "ghost" }, h("span", { class: "tile" }), h("span", { class: "bar" }));
  return h("div", { class: "ghosts", "aria-hidden": "true" }, Array.from({ length: 6 }, row));
}

/** A message with an icon: nothing here, nothing found, not available. */
export function message(/** @type {Icon} */ drawing, /** @type {string} */ heading, /** @type {string} */ text, /** @type {Child[]} */ ...more) {
  return h("div", { class: "message" }, icon(drawing), h("h2", {}, heading), h("p", {}, text), ...more);
}
