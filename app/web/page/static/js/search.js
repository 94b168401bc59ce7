// One search at a time: a new one ends the one before, and its late answers are dropped.
//
// Scores change while others upload and delete. So scrolling on in a list by relevance walks through a point in time, a view
// of the index that stays as it is. It is opened when more is wanted than two pages, which every list has ready, and begins
// with the first hit once more: those that are on screen are left out. Few searches come so far, and a tenant has a bounded
// number of points: without one the walk goes on by how many are there. Between the first two pages scores may change too:
// when that leaves the second one short of what there is, it is not the last one.
//
// By what a search by relevance finds, words or also what they mean, the server decides, and says it with the first page: by the
// query, whether it has vectors, and whether it can compare them now. Where numbers are asked for it takes words alone, so the
// numbers are asked for behind the hits, by what found these; and so are further pages.

import { ApiError, closePoint, search } from "./api.js";
import { parameters } from "./state.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./api.js").Hit} Hit */
/**
 * How many hits there are. `wordsAlone`: they were to be found by what the query means, too, and that was not compared.
 *
 * @typedef {{
 *   total: number,
 *   exact: boolean,
 *   facets: NonNullable<import("./api.js").Envelope["aggregations"]>,
 *   wordsAlone: boolean,
 * }} Numbers
 */

const PAGE = 100;
const FIRST = 50;
// Pages that come without a point in time.
const READY = 2;
// How far pages without a point reach by how many are there.
const WINDOW = 10_000;
const FIELDS = "id,created,updated,session,name,icon,size,media_type,sha256,owner,dialect,extraction";
const FACETS = "media_type,created,file_size,dialect";

/**
 * @param {import("./api.js").Envelope} envelope
 * @returns {Numbers}
 */
const numbers = ({ hits, aggregations = {}, match }) => ({
  total: hits.total?.value ?? hits.hits.length,
  exact: hits.total?.relation !== "gte",
  facets: aggregations,
  wordsAlone: match === "words",
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
    this.point = "";
    this.pages = 0;
    this.moving = false;
    this.pointless = false;
    /** By what the first page was found. */
    this.match = "";
    /** @type {Set<string>} */
    this.shown = new Set();
  }

  /** Begin anew. Resolves when the first page is there, or the search was overtaken. */
  async begin(/** @type {State} */ state) {
    this.stop();
    this.wanted = parameters(state);
    this.wanted.set("_source", FIELDS);
    if (state.q.trim()) this.wanted.set("highlight", "true");
    this.next = null;
    this.moving = this.wanted.get("sort")?.startsWith("_score") ?? false;
    this.pages = 0;
    this.pointless = false;
    this.match = "";
    this.shown.clear();
    await this.load(true);
  }

  /** Request the next page, unless a request is under way or there is none. */
  async more() {
    if (!this.busy && this.next) await this.load(false);
  }

  /** How many hits there are now, {total, exact, facets}; the list stays as it is. Throws ApiError. */
  async count() {
    return numbers({ ...(await this.counted()), match: this.match });
  }

  /** An answer that has the numbers alone. Throws ApiError, AbortError. */
  counted(/** @type {AbortSignal | undefined} */ signal = undefined) {
    const asked = new URLSearchParams(this.wanted);
    asked.delete("highlight");
    asked.set("size", "0");
    asked.set("facets", FACETS);
    if (this.match) asked.set("match", this.match);
    return search(asked, signal);
  }

  stop() {
    this.abort?.abort();
    this.abort = null;
    this.busy = false;
    this.leave();
  }

  leave() {
    if (this.point) closePoint(this.point);
    this.point = "";
  }

  /** The answer to the first page. `mine`: what ends it. Throws ApiError, AbortError. */
  async begun(/** @type {AbortController} */ mine) {
    const asked = new URLSearchParams(this.wanted);
    asked.set("size", String(FIRST));
    if (!this.moving) {
      asked.set("facets", FACETS);
      return search(asked, mine.signal);
    }
    const found = await search(asked, mine.signal);
    if (this.abort !== mine) return found;
    this.match = found.match;
    const { aggregations } = await this.counted(mine.signal);
    return { ...found, aggregations };
  }

  /**
   * The answer to the next page of a walk. `mine`: what ends it. Throws ApiError, AbortError.
   *
   * @param {AbortController} mine
   * @returns {Promise<import("./api.js").Envelope>}
   */
  async walked(mine) {
    const asked = new URLSearchParams(this.wanted);
    asked.set("size", String(PAGE));
    if (this.match) asked.set("match", this.match);
    // From the first hit on where a point is opened: what is on screen was found before.
    const inPoint = this.moving && this.pages >= READY && !this.pointless;
    const anew = inPoint && !this.point;
    const count = this.shown.size;
    if (this.pointless && count + PAGE <= WINDOW) asked.set("from", String(count));
    else if (!anew) asked.set("search_after", JSON.stringify(this.next));
    if (inPoint) asked.set("pit", this.point || "true");
    try {
      return await search(asked, mine.signal);
    } catch (error) {
      if (!inPoint || !(error instanceof ApiError) || (error.status !== 404 && error.status !== 429)) throw error;
    }
    // The point has ended, or there are too many: another one from here on, or none.
    this.point = "";
    if (anew) {
      this.pointless = true;
      return this.walked(mine);
    }
    asked.set("pit", "true");
    return search(asked, mine.signal);
  }

  async load(/** @type {boolean} */ first) {
    const mine = new AbortController();
    this.abort = mine;
    this.busy = true;
    const size = first ? FIRST : PAGE;
    try {
      const envelope = first ? await this.begun(mine) : await this.walked(mine);
      if (this.abort !== mine) {
        // Nobody goes on in it.
        if (envelope.pit_id) closePoint(envelope.pit_id);
        return;
      }
      this.point = envelope.pit_id ?? "";
      this.pages += 1;
      const found = envelope.hits.hits;
      const hits = found.filter((hit) => !this.shown.has(hit._id));
      if (this.moving) for (const hit of hits) this.shown.add(hit._id);
      const short = this.moving && this.pages === READY && this.shown.size < numbers(envelope).total;
      if (found.length === size) this.next = found.at(-1)?.sort ?? null;
      else if (!short) this.next = null;
      if (!this.next) this.leave();
      if (!first && !hits.length && this.next) {
        await this.load(false);
        return;
      }
      this.busy = false;
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
