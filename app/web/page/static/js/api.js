// Calls to the server: the Coco routes, and the page's own for signing in.

/** What went wrong. `status` is HTTP's, 0 when there was no answer; `retryAfter`: seconds to wait, where the server says so. */
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
// The windows of a browser have one sign-in together: each tells the others when that is another one.
const windows = new BroadcastChannel("sign-in");

/** Called when an answer says that nobody is signed in any more. */
export function onSignedOut(listener) {
  session.onSignedOut = listener;
}

/** Called when another window of this browser has signed in or out. */
export function onSignedInElsewhere(listener) {
  windows.onmessage = listener;
}

/** The headers that a request needs that changes something. */
export const proofHeaders = () => ({ "X-Page-Proof": session.proof });

/** An error from an answer's status and body, in Coco's shape where there is one. */
export function errorOf(status, text) {
  let reason = "";
  try {
    reason = String(JSON.parse(text).error?.reason ?? "");
  } catch {
    // Something between here and the server answered in its own words.
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

function remember(who) {
  session.proof = who.proof;
  return who;
}

/** Who is signed in; null when nobody is. */
export async function whoIsSignedIn() {
  const response = await call("GET", "/page/signed-in", { quiet: true });
  return response.status === 204 ? null : remember(await response.json());
}

/** Sign in; who it is. Throws ApiError: 401 for a token that is not valid. */
export async function signIn(token) {
  const response = await call("POST", "/page/sign-in", { json: { token }, quiet: true });
  const who = remember(await response.json());
  windows.postMessage(null);
  return who;
}

export async function signOut() {
  await call("POST", "/page/sign-out");
  windows.postMessage(null);
}

/** The envelope of a search. */
export async function search(parameters, signal) {
  return (await call("GET", `/attachment/_search?${parameters}`, { signal })).json();
}

/** Let go of a point in time that a search has opened; it ends by itself, too. */
export async function closePoint(id) {
  try {
    await call("DELETE", "/attachment/_pit", { json: { id }, quiet: true });
  } catch {
    // It is gone already, or will be.
  }
}

/** An attachment by its id, for when it is on no page of results: as a hit; null when there is none. */
export async function find(id) {
  let head;
  try {
    head = await call("HEAD", `/attachment/${encodeURIComponent(id)}`);
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
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
    // Without Elasticsearch the file itself is still there, and all that its header says.
    if (error.status !== 503 && error.status !== 403) throw error;
  }
  return { _id: id, _source: source };
}

function nameIn(header) {
  const extended = /^UTF-8''(.*)$/.exec(header);
  return extended ? decodeURIComponent(extended[1]) : header;
}

/** How far the texts of some attachments are extracted: id to pending, completed or failed; unknown ids are missing. */
export async function statuses(ids) {
  const query = new URLSearchParams({ attachments: ids.join(",") });
  const found = await (await call("GET", `/attachment/_status?${query}`)).json();
  return new Map(Object.entries(found).map(([id, each]) => [id, each.initial_parsing]));
}

/** Whether there are thumbnails of some attachments: id to pending, completed or none; unknown ids have undefined. */
export async function thumbnails(ids) {
  const found = await (await call("POST", "/attachment/_thumbnails", { json: { attachments: ids } })).json();
  return new Map(Object.entries(found).map(([id, each]) => [id, each.thumbnail]));
}

export const remove = (id) => call("DELETE", `/attachment/${encodeURIComponent(id)}`);

/** How far the text of an attachment is extracted: { state, reason }; `reason` is why it failed, or empty. */
export async function status(id) {
  const response = await call("GET", `/attachment/${encodeURIComponent(id)}/status`);
  const { initial_parsing: state } = await response.json();
  return { state, reason: response.headers.get("Extraction-Reason") ?? "" };
}

/** Where pages and files inside begin in the text of an attachment: { size, sha256, cut, parts }. */
export async function parts(id, signal) {
  return (await call("GET", `/attachment/${encodeURIComponent(id)}/parts`, { signal })).json();
}

/**
 * The bytes from `from` to before `to` of what is at `path`: { bytes, whole, tag }, `whole` being how many there are in all.
 * `tag`: of what the other pieces are, else there is an ApiError, 412.
 */
export async function piece(path, from, to, { tag = "", signal }) {
  const headers = { Range: `bytes=${from}-${to - 1}`, Accept: "*/*", ...(tag && { "If-Match": tag }) };
  const response = await call("GET", path, { headers, signal });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const whole = Number(/\/(\d+)$/.exec(response.headers.get("Content-Range") ?? "")?.[1] ?? bytes.length);
  return { bytes: response.status === 206 ? bytes : bytes.subarray(from, to), whole, tag: response.headers.get("ETag") ?? "" };
}
