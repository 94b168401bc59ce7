// One search at a time: a new one ends the one before, and its late answers are dropped.

import { search } from "./api.js";
import { parameters } from "./state.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./api.js").Hit} Hit */
/** @typedef {{ total: number, exact: boolean, facets: NonNullable<import("./api.js").Envelope["aggregations"]> }} Numbers */

const PAGE = 100;
const FIRST = 50;
const FIELDS = "id,created,updated,session,name,icon,size,media_type,sha256,owner,dialect,extraction";
const FACETS = "media_type,created,file_size,dialect";

/**
 * @param {import("./api.js").Envelope} envelope
 * @returns {Numbers}
 */
const numbers = ({ hits, aggregations = {} }) => ({
  total: hits.total?.value ?? hits.hits.length,
  exact: hits.total?.relation !== "gte",
  facets: aggregations,
});

/** A running list of hits. */
export class Search {
  /**
   * `page` gets each page, `failed` the error when there is none; `first`: whether it is the first page.
   *
   * @param {{
   *   page: (hits: Hit[], about: Numbers & { first: boolean, done: boolean }) => void,
   *   failed: (error: import("./api.js").ApiError, first: boolean) => void,
   * }} listeners
   */
  constructor({ page, failed }) {
    this.page = page;
    this.failed = failed;
    /** @type {AbortController | null} */
    this.abort = null;
    /** @type {unknown[] | null} */
    this.next = null;
    this.busy = false;
  }

  /** Begin anew. Resolves when the first page is there, or the search was overtaken. */
  async begin(/** @type {State} */ state) {
    this.stop();
    this.wanted = parameters(state);
    this.wanted.set("_source", FIELDS);
    if (state.q.trim()) this.wanted.set("highlight", "true");
    this.next = null;
    await this.load(true);
  }

  /** Request the next page, unless a request is under way or there is none. */
  async more() {
    if (!this.busy && this.next) await this.load(false);
  }

  /** How many hits there are now, {total, exact, facets}; the list stays as it is. Throws ApiError. */
  async count() {
    const asked = new URLSearchParams(this.wanted);
    asked.delete("highlight");
    asked.set("size", "0");
    asked.set("facets", FACETS);
    return numbers(await search(asked));
  }

  stop() {
    this.abort?.abort();
    this.abort = null;
    this.busy = false;
  }

  async load(/** @type {boolean} */ first) {
    const mine = new AbortController();
    this.abort = mine;
    this.busy = true;
    const asked = new URLSearchParams(this.wanted);
    const size = first ? FIRST : PAGE;
    asked.set("size", String(size));
    if (first) asked.set("facets", FACETS);
    else asked.set("search_after", JSON.stringify(this.next));
    try {
      const envelope = await search(asked, mine.signal);
      if (this.abort !== mine) return;
      this.busy = false;
      const hits = envelope.hits.hits;
      this.next = hits.length === size ? (hits.at(-1)?.sort ?? null) : null;
      this.page(hits, {
        first,
        done: !this.next,
        ...numbers(envelope),
      });
    } catch (error) {
      if (this.abort !== mine || error.name === "AbortError") return;
      this.busy = false;
      this.failed(error, first);
    }
  }
}
