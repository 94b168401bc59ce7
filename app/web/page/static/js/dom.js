// Elements made without parsing markup: text always becomes a text node, so no name of a file or a person is read as
// markup.

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {{ [Name in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Name]) => void }} Listeners */
/** @typedef {{ on?: Listeners, [attribute: string]: unknown }} Props */

/**
 * An element. `props`: attributes; `class`; `on`: listeners by event; null and false leave an attribute out.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Props} [props]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  set(element, props);
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) element.append(typeof child === "number" ? String(child) : child);
  }
  return element;
}

/**
 * Set attributes and listeners as `h` takes them.
 *
 * @param {Element} element
 * @param {Props} props
 */
export function set(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (name === "on") {
      const listeners = /** @type {Record<string, EventListener>} */ (value);
      for (const [event, listener] of Object.entries(listeners)) element.addEventListener(event, listener);
    } else if (value === null || value === undefined || value === false) {
      element.removeAttribute(name);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
}

/** The element of page.html with this id. Throws if there is none. */
export function part(/** @type {string} */ id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`page.html has no element ${id}`);
  return found;
}

/**
 * Do `change`. If it removes or hides the element in `place` that had the focus, the element that `next()` returns gets
 * the focus.
 *
 * @param {Element} place
 * @param {() => void} change
 * @param {(active: Element) => HTMLElement | null | undefined} next
 */
export function keepingFocus(place, change, next) {
  const active = document.activeElement;
  const held = active && place.contains(active);
  change();
  if (held && !active.checkVisibility()) next(active)?.focus();
}

/** A function that makes `draw` run with the next frame, once, however often the function is called until then. */
export function withNextFrame(/** @type {() => void} */ draw) {
  let pending = false;
  return () => {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      draw();
    });
  };
}

// Each icon is one path on a grid of 24 with lines of 1.75.
const PATHS = {
  search: "M21 21l-4.35-4.35M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14z",
  upload: "M12 16V4m0 0L7 9m5-5l5 5M4 16v3a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-3",
  download: "M12 4v12m0 0l-5-5m5 5l5-5M4 16v3a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-3",
  folder: "M3 7a2 2 0 0 1 2-2h4l2 2h8a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V7z",
  close: "M6 6l12 12M18 6L6 18",
  retry: "M4 12a8 8 0 0 1 13.7-5.6L20 8.5M20 4v4.5h-4.5M20 12a8 8 0 0 1-13.7 5.6L4 15.5M4 20v-4.5h4.5",
  trash: "M4 7h16M10 11v6m4-6v6M6 7l1 12a1 1 0 0 0 1 1h8a1 1 0 0 0 1-1l1-12M9 7V4h6v3",
  link: "M10 14a4 4 0 0 0 5.66 0l3-3a4 4 0 0 0-5.66-5.66l-1 1M14 10a4 4 0 0 0-5.66 0l-3 3a4 4 0 0 0 5.66 5.66l1-1",
  terminal: "M5 7l5 5-5 5M12 18h7",
  check: "M5 12.5l4.5 4.5L19 7.5",
  alert: "M12 8v5m0 3.5v.01M12 3l9.5 17h-19L12 3z",
  filter: "M4 6h16M7 12h10M10 18h4",
  out: "M14 4h5a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1h-5M10 8l-4 4 4 4m-4-4h10",
  code: "M8 7l-5 5 5 5m8-10l5 5-5 5",
  chat: "M4 5h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H9l-5 4V6a1 1 0 0 1 1-1z",
  all: "M4 6h16M4 12h16M4 18h16",
  grid: "M4 4h7v7H4V4zM13 4h7v7h-7V4zM4 13h7v7H4v-7zM13 13h7v7h-7v-7z",
  plus: "M12 5v14M5 12h14",
  down: "M6 9l6 6 6-6",
  clock: "M12 7v5l3 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z",
};

/**
 * A drawing beside words that say the same; it is hidden from screen readers.
 *
 * @param {keyof typeof PATHS} name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  set(svg, { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" });
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/**
 * A button with words, an icon, or both; with an icon alone, `label` is its accessible name.
 *
 * @typedef {{
 *   icon?: keyof typeof PATHS | null,
 *   only?: boolean,
 *   kind?: string,
 *   click?: (event: MouseEvent) => void,
 *   [attribute: string]: unknown,
 * }} Look
 * @param {string} label
 * @param {Look} [options] of which others are attributes
 */
export function button(label, { icon: drawing = null, only = false, kind = "", click, ...props } = {}) {
  return h(
    "button",
    {
      type: "button",
      class: `button ${kind} ${only ? "icon-only" : ""}`.trim().replace(/\s+/g, " "),
      "aria-label": only ? label : null,
      title: only ? label : null,
      on: click ? { click } : {},
      ...props,
    },
    drawing ? icon(drawing) : null,
    only ? null : h("span", {}, label),
  );
}
