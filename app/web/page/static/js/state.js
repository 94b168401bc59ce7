// The state of the page, which is in its URL: a bookmark or a shared link is the same search.

/**
 * @typedef {{
 *   q: string,
 *   session: string,
 *   kind: string[],
 *   date: string,
 *   from: string,
 *   to: string,
 *   min: string,
 *   max: string,
 *   dialect: string[],
 *   sort: string,
 *   view: string,
 *   open: string,
 *   page: string,
 *   start: string,
 *   end: string,
 * }} State
 */
/**
 * A place in what is open. `page`: its page, 0 where that is not known. `start`, `end`: bytes in the text that was read of
 * it, before the place and up to its end; `end` is 0 where there is but a page.
 *
 * @typedef {{ page: number, start: number, end: number }} Spot
 */

/** How results are shown: as a list by default. */
export const GRID = "grid";
/** @type {Sort[]} */
export const SORTS = ["relevance", "newest", "oldest", "name", "name-down", "largest", "smallest"];
/** The dates that can be chosen, with the facet's names: days back from now. A bookmark keeps the word, not the day. */
export const DATES = new Map([
  ["day", 1],
  ["week", 7],
  ["month", 30],
  ["year", 365],
  ["older", 365],
]);
/** The first and the last day of a range: from the Unix epoch on, and with four digits of a year. */
export const EARLIEST = "1970-01-01";
export const LATEST = "9998-12-31";
// The most bytes of a place: some passages together.
const MOST_MARKED = 64 * 1024;
/** @type {["kind", "dialect"]} */
const LISTS = ["kind", "dialect"];
/** @type {Exclude<keyof State, "kind" | "dialect">[]} */
const SINGLES = ["q", "session", "date", "from", "to", "min", "max", "sort", "view", "open", "page", "start", "end"];

/** @returns {text is Sort} */
const isSort = (/** @type {string} */ text) => SORTS.some((sort) => sort === text);

const isDay = (/** @type {string} */ text) =>
  /^\d{4}-\d\d-\d\d$/.test(text) && text >= EARLIEST && text <= LATEST && dayOf(new Date(`${text}T00:00Z`)) === text;

const dayOf = (/** @type {Date} */ date) => (Number.isNaN(date.valueOf()) ? "" : date.toISOString().slice(0, 10));

/** The moment at which a day (2026-05-17), or the day `later` days after it, begins in the browser's time zone. */
function midnight(/** @type {string} */ text, later = 0) {
  const [year, month, day] = text.split("-").map(Number);
  return new Date(year, month - 1, day + later).toISOString();
}

/** @typedef {keyof typeof FIELDS} Sort */

/** No place in what is open. */
const NOWHERE = Object.freeze({ page: "", start: "", end: "" });

/** The filters of a state, all empty; words, order and what is open are not filters. */
/** @type {Readonly<Omit<State, "q" | "sort" | "view" | "open" | keyof typeof NOWHERE>>} */
export const UNFILTERED = Object.freeze({ session: "", kind: [], date: "", from: "", to: "", min: "", max: "", dialect: [] });

/** The state in a query string; unknown parameters and values are left out. */
export function read(/** @type {string} */ search) {
  const parameters = new URLSearchParams(search);
  /** @type {State} */
  const state = { ...UNFILTERED, ...NOWHERE, q: "", sort: "", view: "", open: "" };
  for (const name of SINGLES) state[name] = parameters.get(name) ?? "";
  for (const name of LISTS) state[name] = parameters.getAll(name);
  if (!isSort(state.sort)) state.sort = "";
  if (state.view !== GRID) state.view = "";
  for (const name of /** @type {const} */ (["min", "max"])) if (!/^\d{1,15}$/.test(state[name])) state[name] = "";
  for (const name of /** @type {const} */ (["from", "to"])) if (!isDay(state[name])) state[name] = "";
  if (state.from && state.to && state.from > state.to) state.to = "";
  if (!DATES.has(state.date) || state.from || state.to) state.date = "";
  if (!state.open || !/^[1-9]\d{0,5}$/.test(state.page)) state.page = "";
  const digits = /^\d{1,9}$/.test(state.start) && /^\d{1,9}$/.test(state.end);
  const size = Number(state.end) - Number(state.start);
  if (!state.open || !digits || size <= 0 || size > MOST_MARKED) Object.assign(state, { start: "", end: "" });
  return state;
}

/**
 * The state that `part` makes of another one. A place belongs to what is open, and to the words that led there.
 *
 * @param {State} state
 * @param {Partial<State>} part
 * @returns {State}
 */
export const changed = (state, part) => ({ ...state, ...("open" in part || "q" in part ? NOWHERE : {}), ...part });

/** A place as a part of a state. */
export const placed = (/** @type {Spot | null} */ spot) =>
  spot ? { page: spot.page ? String(spot.page) : "", ...(spot.end && { start: String(spot.start), end: String(spot.end) }) } : {};

/**
 * The place of a state; null for none.
 *
 * @param {State} state
 * @returns {Spot | null}
 */
export const spotOf = ({ page, start, end }) => (page || end ? { page: Number(page), start: Number(start), end: Number(end) } : null);

/** Whether two places are the same. */
export const sameSpot = (/** @type {Spot | null} */ one, /** @type {Spot | null} */ other) =>
  one?.page === other?.page && one?.start === other?.start && one?.end === other?.end;

/** The query string of a state, with a leading `?`, or empty. */
export function write(/** @type {Partial<State>} */ state) {
  const parameters = new URLSearchParams();
  for (const name of SINGLES) {
    const value = state[name];
    if (value) parameters.set(name, value);
  }
  for (const name of LISTS) for (const value of state[name] ?? []) parameters.append(name, value);
  const text = parameters.toString();
  return text && `?${text}`;
}

/** Whether two states have the same results; how these are shown and which of them is open does not matter. */
export const sameSearch = (/** @type {State} */ one, /** @type {State} */ other) =>
  write({ ...one, ...NOWHERE, view: "", open: "" }) === write({ ...other, ...NOWHERE, view: "", open: "" });

/**
 * The order in force: by relevance when there are words to search for, otherwise the newest first.
 *
 * @param {State} state
 * @returns {Sort}
 */
export const sortOf = (state) =>
  isSort(state.sort) && (state.sort !== "relevance" || state.q.trim()) ? state.sort : state.q.trim() ? "relevance" : "newest";

const filters = /** @type {(keyof typeof UNFILTERED)[]} */ (Object.keys(UNFILTERED));

export const isFiltered = (/** @type {State} */ state) => filters.some((name) => state[name].length > 0);

const FIELDS = {
  // The server's own order of hits: with it alone the server decides by what a query finds.
  relevance: "_score:desc,id:asc",
  newest: "created:desc,id:desc",
  oldest: "created:asc,id:asc",
  name: "name:asc,id:asc",
  "name-down": "name:desc,id:desc",
  largest: "size:desc,id:desc",
  smallest: "size:asc,id:asc",
};

/** The search parameters of a state, without size and facets. */
export function parameters(/** @type {State} */ state) {
  const found = new URLSearchParams();
  if (state.q.trim()) found.set("query", state.q.trim());
  if (state.session) found.append("session", state.session);
  for (const kind of state.kind) found.append("media_type", kind);
  for (const dialect of state.dialect) found.append("dialect", dialect);
  if (state.date) {
    // To the minute, so that the same search has the same URL for a while.
    const moment = Math.floor(Date.now() / 60_000) * 60_000 - (DATES.get(state.date) ?? 0) * 86_400_000;
    found.set(state.date === "older" ? "created_before" : "created_after", new Date(moment).toISOString());
  }
  if (state.from) found.set("created_after", midnight(state.from));
  if (state.to) found.set("created_before", midnight(state.to, 1));
  if (state.min) found.set("min_size", state.min);
  if (state.max) found.set("max_size", state.max);
  found.set("sort", FIELDS[sortOf(state)]);
  return found;
}
