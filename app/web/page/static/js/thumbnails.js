// Thumbnails of the results on screen. One call asks which of them have thumbnails, and is repeated at growing
// intervals for those that are still being drawn. Only a thumbnail that exists gets an image element, so that no
// missing one is requested. Otherwise each file without a thumbnail would cause a request each time it is shown.

import * as api from "./api.js";
import { h } from "./dom.js";

/** What is known of the thumbnails of an attachment: `state` is pending, completed or none; `tries`: images that failed. */
/** @typedef {{ state: string, tries: number }} About */

/** Sizes that the server has, in pixels of the longest side. */
export const SMALL = 160;
export const LARGE = 640;

// Milliseconds in which new tiles on screen are collected for one call, and the most ids in it: the server limits them,
// too.
const GATHER = 60;
const IDS = 100;
// Milliseconds until the next call for thumbnails that are being drawn, or after a failed call: longer each time.
const AGAIN = [500, 1000, 2000, 4000, 8000, 15_000, 30_000];
// How many attachments' states are remembered: more than are on screen, for scrolling back, but no more, however far
// one scrolls.
const REMEMBERED = 1000;
// How many images of one attachment may fail before it is not tried again.
const TRIES = 3;

export class Thumbnails {
  constructor() {
    // By id. The most recently used ones are the last.
    /** @type {Map<string, About>} */
    this.known = new Map();
    // By id, for attachments on screen: the tile, and the image if there is one.
    /** @type {Map<string, Element>} */
    this.tiles = new Map();
    /** @type {Map<string, HTMLImageElement>} */
    this.images = new Map();
    this.size = SMALL;
    this.looks = 0;
    this.due = 0;
    this.moment = 0;
    this.asking = false;
    this.refused = false;
    document.addEventListener("visibilitychange", () => this.plan());
  }

  /**
   * `tiles`, by id, are on screen now; each gets a picture of `size` if there is one. For others only their state is
   * kept. An image that is in another tile of the same attachment is moved and not loaded again.
   */
  show(/** @type {Map<string, Element>} */ tiles, /** @type {number} */ size) {
    for (const [id, image] of this.images) if (!tiles.has(id) || size !== this.size) this.drop(id, image);
    this.size = size;
    this.tiles = tiles;
    for (const id of tiles.keys()) this.fill(id);
    this.plan();
  }

  /** There is a new result list: requests that were refused before are allowed again. */
  renew() {
    this.refused = false;
  }

  drop(/** @type {string} */ id, /** @type {HTMLImageElement} */ image) {
    this.images.delete(id);
    // Ends the request, if one is under way.
    image.removeAttribute("src");
    image.remove();
  }

  fill(/** @type {string} */ id) {
    const about = this.known.get(id);
    if (!about) return;
    this.remember(id, about);
    const tile = this.tiles.get(id);
    let image = this.images.get(id);
    if (about.state !== "completed" || !tile) return;
    if (!image) {
      // Beside its name, which says what it is.
      const made = h("img", { alt: "", loading: "lazy", decoding: "async", draggable: "false" });
      made.addEventListener("load", () => made.parentElement?.classList.add("drawn"));
      made.addEventListener("error", () => this.failed(id, made));
      image = made;
      image.src = `/attachment/${encodeURIComponent(id)}/thumbnail?size=${this.size}`;
      this.images.set(id, image);
    }
    if (image.parentElement !== tile) tile.append(image);
    tile.classList.toggle("drawn", image.complete && image.naturalWidth > 0);
  }

  /** An image could not be loaded: the tile shows the kind again, and the state is requested later. */
  failed(/** @type {string} */ id, /** @type {HTMLImageElement} */ image) {
    if (this.images.get(id) !== image) return;
    image.parentElement?.classList.remove("drawn");
    this.drop(id, image);
    const tries = this.known.get(id)?.tries ?? 0;
    this.remember(id, { state: tries + 1 < TRIES ? "pending" : "none", tries: tries + 1 });
    this.wait();
    this.plan();
  }

  remember(/** @type {string} */ id, /** @type {About} */ about) {
    this.known.delete(id);
    this.known.set(id, about);
    for (const oldest of this.known.keys()) {
      if (this.known.size <= REMEMBERED) break;
      this.known.delete(oldest);
    }
  }

  /** Delay the next request for attachments that were requested already. */
  wait() {
    this.due = performance.now() + AGAIN[Math.min(this.looks, AGAIN.length - 1)];
    this.looks += 1;
  }

  /** The ids on screen to request: { unknown, pending }. */
  open() {
    const unknown = [];
    const pending = [];
    for (const id of this.tiles.keys()) {
      const about = this.known.get(id);
      if (!about) unknown.push(id);
      else if (about.state === "pending") pending.push(id);
    }
    return { unknown, pending };
  }

  /** Plan the next request for what is open, once, while the page is visible. */
  plan() {
    const { unknown, pending } = this.open();
    const idle = this.asking || this.refused || document.hidden || !(unknown.length || pending.length);
    const now = performance.now();
    const soon = now + GATHER;
    const moment = unknown.length && !this.failing ? soon : Math.max(soon, this.due);
    // During continuous scrolling, what is on screen must be requested, too.
    if (!idle && this.timer && this.moment <= moment) return;
    clearTimeout(this.timer ?? undefined);
    this.moment = moment;
    this.timer = idle ? null : setTimeout(() => this.look(), moment - now);
  }

  async look() {
    this.timer = null;
    const { unknown, pending } = this.open();
    // A timer may be early by a part of a millisecond.
    const again = performance.now() + 1 >= this.due;
    const ids = [...unknown, ...(again ? pending : [])].slice(0, IDS);
    if (!ids.length) {
      this.plan();
      return;
    }
    this.asking = true;
    let waits = again;
    try {
      const found = await api.thumbnails(ids);
      this.failing = false;
      for (const id of ids) {
        const before = this.known.get(id);
        // A removed attachment has none.
        const state = found.get(id) ?? "none";
        if (state === "pending" && !before) {
          // A new attachment is drawn soon.
          this.looks = 0;
          waits = true;
        }
        this.remember(id, { state, tries: before?.tries ?? 0 });
        if (this.tiles.has(id)) this.fill(id);
      }
    } catch (error) {
      this.failing = true;
      this.refused = error.status === 401 || error.status === 403;
      waits = true;
    }
    this.asking = false;
    if (waits) this.wait();
    this.plan();
  }
}
