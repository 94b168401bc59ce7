// The recent sessions with their numbers, in the sidebar.

import { search } from "./api.js";
import { button, h, icon } from "./dom.js";
import { count } from "./format.js";
import { write } from "./state.js";
import { T } from "./texts.js";

/** @typedef {Parameters<typeof icon>[0]} Icon */
/** @typedef {import("./api.js").Bucket} Bucket */

export class Sessions {
  /** @param {{ choose: (session: string) => void, add: () => void }} actions */
  constructor({ choose, add }) {
    this.choose = choose;
    /** @type {Bucket[]} */
    this.buckets = [];
    this.current = "";
    /** @type {number | null} */
    this.total = null;
    this.list = h("ul", { role: "list" });
    this.element = h(
      "nav",
      { class: "sessions", "aria-label": T.sessions.heading },
      h(
        "div",
        { class: "side-head" },
        h("h2", {}, T.sessions.heading),
        button(T.sessions.add, { icon: "plus", only: true, kind: "plain", click: add }),
      ),
      this.list,
    );
  }

  /** Request the sessions again. After a failure the list stays as it was. */
  async load() {
    try {
      const envelope = await search("size=0&facets=session");
      this.buckets = envelope.aggregations?.session?.buckets ?? [];
      this.total = envelope.hits.total?.value ?? null;
      this.draw();
    } catch {
      // The results show what is wrong.
    }
  }

  show(/** @type {string} */ current) {
    this.current = current;
    this.draw();
  }

  draw() {
    const active = document.activeElement;
    const focused = active instanceof HTMLElement && this.list.contains(active) ? active.dataset.session : undefined;
    /** @type {[string, number | null][]} */
    const known = this.buckets.map((bucket) => [bucket.key, bucket.doc_count]);
    if (this.current && !known.some(([key]) => key === this.current)) known.unshift([this.current, null]);
    this.list.replaceChildren(
      this.item("", T.sessions.all, this.total, "all"),
      ...known.map(([key, number]) => this.item(key, key, number, "chat")),
    );
    if (focused !== undefined) {
      [...this.list.querySelectorAll("a")].find((each) => each.dataset.session === focused)?.focus();
    }
  }

  item(/** @type {string} */ session, /** @type {string} */ label, /** @type {number | null} */ number, /** @type {Icon} */ drawing) {
    const href = `/page/${write({ session })}`;
    const link = h(
      "a",
      {
        href,
        "data-session": session,
        "aria-current": session === this.current ? "page" : null,
        on: {
          click: (event) => {
            if (event.metaKey || event.ctrlKey || event.shiftKey) return;
            event.preventDefault();
            this.choose(session);
          },
        },
      },
      icon(drawing),
      h("bdi", { class: "label", title: label }, label),
      number === null ? null : h("span", { class: "number" }, count(number)),
    );
    return h("li", {}, link);
  }
}
