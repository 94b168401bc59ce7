// Announcements for screen readers: polite ones for events, assertive ones for errors.

import { part } from "./dom.js";

function say(/** @type {string} */ id, /** @type {string} */ text) {
  const region = part(id);
  // The same sentence must be announced the second time, too.
  region.textContent = "";
  setTimeout(() => {
    region.textContent = text;
  }, 50);
}

export const announce = (/** @type {string} */ text) => say("polite", text);
export const warn = (/** @type {string} */ text) => say("urgent", text);
