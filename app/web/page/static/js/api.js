// Calls to the server: the Coco routes, and the page's own for signing in.

/**
 * What a search returns of an attachment; an older document may lack some of it.
 *
 * @typedef {{
 *   id: string,
 *   name: string,
 *   created?: string,
 *   updated?: string,
 *   session?: string,
 *   icon?: string,
 *   size?: number,
 *   media_type?: string,
 *   sha256?: string,
 *   owner?: string,
 *   dialect?: string,
 *   extraction?: { state: string },
 * }} Source
 */
/** @typedef {{ _id: string, _score?: number, _source: Source, highlight?: Record<string, string[]>, sort?: unknown[] }} Hit */
/** @typedef {{ key: string, doc_count: number, from?: number, to?: number }} Bucket */
/**
 * The answer to a search. `match`: by what it was found, where that was not to be by words alone: `words`, `meaning` or
 * `both`; otherwise ''.
 *
 * @typedef {{
 *   match: string,
 *   pit_id?: string,
 *   hits: { hits: Hit[], total?: { value: number, relation: string } },
 *   aggregations?: Record<string, { buckets: Bucket[] }>,
 * }} Envelope
 */
/**
 * Who is signed in, as /page/signed-in says.
 *
 * @typedef {{
 *   name: string,
 *   tenant: string,
 *   scopes: string[],
 *   proof: string,
 *   limits: { max_file_size: number, max_request_size: number, max_query_length: number },
 * }} Who
 */
/**
 * A page or a file inside that begins at the byte `at` of a text.
 *
 * @typedef {{ at: number, page?: number, title?: string, file?: string[] }} Part
 */
/** @typedef {{ size: number, sha256: string, cut: boolean, parts: Part[] | null }} PartsOfText */

/**
 * The error of a call. `status` is HTTP's, 0 when there was no answer; `retryAfter`: seconds to wait, if the server
 * says it.
 */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} reason
   * @param {number | null} [retryAfter]
   */
  constructor(status, reason, retryAfter = null) {
    super(reason);
    this.status = status;
    this.reason = reason;
    this.retryAfter = retryAfter;
  }
}

const session = { proof: "", onSignedOut: () => {} };
// All windows of a browser share one sign-in: each tells the others when it changes.
const windows = new BroadcastChannel("sign-in");

/** Set the function that is called when an answer says that nobody is signed in any more. */
export function onSignedOut(/** @type {() => void} */ listener) {
  session.onSignedOut = listener;
}

/** Set the function that is called when another window of this browser has signed in or out. */
export function onSignedInElsewhere(/** @type {() => void} */ listener) {
  windows.onmessage = listener;
}

/** The headers of a request that changes something. */
export const proofHeaders = () => ({ "X-Page-Proof": session.proof });

/** An error from an answer's status and body, which may have Coco's shape. */
export function errorOf(/** @type {number} */ status, /** @type {string} */ text) {
  let reason = "";
  try {
    reason = String(JSON.parse(text).error?.reason ?? "");
  } catch {
    // A proxy before the server answered in a form of its own.
  }
  if (status === 401) session.onSignedOut();
  return new ApiError(status, reason);
}

/**
 * @param {string} method
 * @param {string} path
 * @param {{ json?: unknown, signal?: AbortSignal, headers?: Record<string, string>, quiet?: boolean }} [options]
 */
async function call(method, path, { json, signal, headers = {}, quiet = false } = {}) {
  /** @type {RequestInit & { headers: Record<string, string> }} */
  const options = { method, signal, headers: { Accept: "application/json", ...headers }, credentials: "same-origin" };
  if (method !== "GET" && method !== "HEAD") Object.assign(options.headers, proofHeaders());
  if (json !== undefined) {
    options.body = JSON.stringify(json);
    options.headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "");
  }
  if (response.ok) return response;
  const text = method === "HEAD" ? "" : await response.text();
  if (quiet) throw new ApiError(response.status, text, Number(response.headers.get("Retry-After")) || null);
  throw errorOf(response.status, text);
}

function remember(/** @type {Who} */ who) {
  session.proof = who.proof;
  return who;
}

/**
 * Who is signed in; null when nobody is.
 *
 * @returns {Promise<Who | null>}
 */
export async function whoIsSignedIn() {
  const response = await call("GET", "/page/signed-in", { quiet: true });
  return response.status === 204 ? null : remember(await response.json());
}

/** Sign in. Returns who is signed in. Throws ApiError: 401 for a token that is not valid. */
export async function signIn(/** @type {string} */ token) {
  const response = await call("POST", "/page/sign-in", { json: { token }, quiet: true });
  const who = remember(await response.json());
  windows.postMessage(null);
  return who;
}

export async function signOut() {
  await call("POST", "/page/sign-out");
  windows.postMessage(null);
}

/**
 * The envelope of a search, and by what it was found.
 *
 * @param {URLSearchParams | string} parameters
 * @param {AbortSignal} [signal]
 * @returns {Promise<Envelope>}
 */
export async function search(parameters, signal) {
  const response = await call("GET", `/attachment/_search?${parameters}`, { signal });
  return { ...(await response.json()), match: response.headers.get("Search-Match") ?? "" };
}

/**
 * Close a point in time that a search has opened; it also ends by itself.
 *
 * @param {string} id
 */
export async function closePoint(id) {
  try {
    await call("DELETE", "/attachment/_pit", { json: { id }, quiet: true });
  } catch {
    // It is gone already, or will be.
  }
}

/**
 * An attachment by its id, in the form of a hit, for when no page of results has it; null when there is none.
 *
 * @param {string} id
 * @returns {Promise<Hit | null>}
 */
export async function find(id) {
  let head;
  try {
    head = await call("HEAD", `/attachment/${encodeURIComponent(id)}`);
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
  /** @type {Source} */
  const source = {
    id,
    name: nameIn(head.headers.get("Filename") ?? id),
    created: new Date(Number(head.headers.get("Created")) * 1000).toISOString(),
    size: Number(head.headers.get("Content-Length") ?? 0),
    media_type: (head.headers.get("Content-Type") ?? "").split(";")[0],
    sha256: (head.headers.get("ETag") ?? "").replaceAll('"', "").split("-")[0],
  };
  try {
    const response = await call("POST", "/attachment/_search", { json: { attachments: [id] } });
    Object.assign(source, (await response.json()).hits.hits[0]?._source);
  } catch (error) {
    // Without Elasticsearch the file itself is still there, and everything that its headers say.
    if (error.status !== 503 && error.status !== 403) throw error;
  }
  return { _id: id, _source: source };
}

function nameIn(/** @type {string} */ header) {
  const extended = /^UTF-8''(.*)$/.exec(header);
  return extended ? decodeURIComponent(extended[1]) : header;
}

/** How far the texts of some attachments are extracted: id to pending, completed or failed; unknown ids are missing. */
export async function statuses(/** @type {string[]} */ ids) {
  const query = new URLSearchParams({ attachments: ids.join(",") });
  /** @type {Record<string, { initial_parsing: string }>} */
  const found = await (await call("GET", `/attachment/_status?${query}`)).json();
  return new Map(Object.entries(found).map(([id, each]) => [id, each.initial_parsing]));
}

/** Whether there are thumbnails of some attachments: id to pending, completed or none; unknown ids have undefined. */
export async function thumbnails(/** @type {string[]} */ ids) {
  /** @type {Record<string, { thumbnail: string }>} */
  const found = await (await call("POST", "/attachment/_thumbnails", { json: { attachments: ids } })).json();
  return new Map(Object.entries(found).map(([id, each]) => [id, each.thumbnail]));
}

export const remove = (/** @type {string} */ id) => call("DELETE", `/attachment/${encodeURIComponent(id)}`);

/**
 * How far the text of an attachment is extracted; `reason` is why it failed, or empty.
 *
 * @param {string} id
 * @returns {Promise<{ state: string, reason: string }>}
 */
export async function status(id) {
  const response = await call("GET", `/attachment/${encodeURIComponent(id)}/status`);
  const { initial_parsing: state } = await response.json();
  return { state, reason: response.headers.get("Extraction-Reason") ?? "" };
}

/**
 * Where pages and files inside begin in the text of an attachment.
 *
 * @param {string} id
 * @param {AbortSignal} signal
 * @returns {Promise<PartsOfText>}
 */
export async function parts(id, signal) {
  return (await call("GET", `/attachment/${encodeURIComponent(id)}/parts`, { signal })).json();
}

/**
 * The bytes from `from` to before `to` of the resource at `path`: { bytes, whole, tag }. `whole`: how many bytes it has
 * in all. `tag`: the entity tag of the other pieces; if the resource has another one by now, there is an ApiError with
 * 412.
 *
 * @param {string} path
 * @param {number} from
 * @param {number} to
 * @param {{ tag?: string, signal: AbortSignal }} options
 */
export async function piece(path, from, to, { tag = "", signal }) {
  const headers = { Range: `bytes=${from}-${to - 1}`, Accept: "*/*", ...(tag && { "If-Match": tag }) };
  const response = await call("GET", path, { headers, signal });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const whole = Number(/\/(\d+)$/.exec(response.headers.get("Content-Range") ?? "")?.[1] ?? bytes.length);
  return { bytes: response.status === 206 ? bytes : bytes.subarray(from, to), whole, tag: response.headers.get("ETag") ?? "" };
}
