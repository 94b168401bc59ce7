// The parts around the results: header, sidebar, toolbar; and what covers what on a narrow screen.

import { button, h, icon, keepingFocus, part, set } from "./dom.js";
import { picker } from "./inputs.js";
import * as states from "./state.js";
import { T } from "./texts.js";

/** @typedef {import("./api.js").Who} Who */
/** @typedef {import("./state.js").State} State */
/** @typedef {Record<"results" | "facets" | "chips" | "sessions" | "preview" | "tray", HTMLElement>} Parts */
/**
 * @typedef {{
 *   take: (files: File[]) => void,
 *   typed: () => void,
 *   sort: (value: string) => void,
 *   grid: (on: boolean) => void,
 *   skip: () => void,
 *   home: () => void,
 *   fresh: () => void,
 *   signOut: () => void,
 * }} Actions
 */

// Below these widths in CSS pixels the preview covers the list, and on a phone the sidebar, too, as in page.css.
const narrow = matchMedia("(max-width: 1080px)");
const phone = matchMedia("(max-width: 760px)");

/** The listener of a link that the page follows by itself, unless a modifier key opens it elsewhere. */
const follow = (/** @type {() => void} */ action) => (/** @type {MouseEvent} */ event) => {
  if (event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  action();
};

export class Frame {
  /**
   * `parts`: the elements of the other parts of the page.
   *
   * @param {Who} who
   * @param {Parts} parts
   * @param {Actions} actions
   */
  constructor(who, parts, actions) {
    this.who = who;
    this.actions = actions;
    this.previewing = false;
    this.preview = parts.preview.querySelector("h2");
    const { take } = actions;
    this.files = picker({ folder: false, label: T.upload.files, take });
    this.folder = picker({ folder: true, label: T.upload.folder, take });
    this.input = h("input", {
      id: "q",
      type: "search",
      placeholder: T.search.placeholder,
      "aria-label": T.search.label,
      autocomplete: "off",
      spellcheck: "false",
      maxlength: this.who.limits.max_query_length,
      enterkeyhint: "search",
      on: { input: actions.typed },
    });
    this.count = h("span", { class: "count" });
    this.alone = h("p", { class: "alone" });
    this.sort = h(
      "select",
      { id: "sort", on: { change: () => actions.sort(this.sort.value) } },
      states.SORTS.map((value) => h("option", { value }, T.search.sorts[value])),
    );
    this.grid = button(T.search.grid, {
      icon: "grid",
      only: true,
      kind: "plain small",
      click: () => actions.grid(this.grid.getAttribute("aria-pressed") !== "true"),
      "aria-pressed": "false",
    });
    this.envelope = h(
      "a",
      { class: "button plain small", target: "_blank", rel: "noopener", title: T.search.envelopeTitle },
      icon("code"),
      h("span", {}, T.search.envelope),
    );
    this.notice = h("div", { class: "notice", hidden: true });
    this.told = h("p", { role: "alert" });
    this.toast = h(
      "section",
      { class: "toast", "aria-label": T.message, hidden: true },
      icon("alert"),
      this.told,
      button(T.dismiss, { icon: "close", only: true, kind: "plain", click: () => this.tell("") }),
    );
    this.fresh = h(
      "div",
      { class: "fresh", hidden: true },
      button(`${T.search.fresh}. ${T.search.show}`, { icon: "retry", kind: "primary small", click: () => actions.fresh() }),
    );
    this.filters = button(T.search.filters, { icon: "filter", only: true, kind: "plain filters-button", click: () => this.drawer() });
    set(this.filters, { "aria-expanded": "false", "aria-controls": "side" });
    this.into = h("p", { class: "quiet small into" });
    const mayWrite = this.who.scopes.includes("write");
    this.side = h(
      "div",
      { class: "side", id: "side" },
      button(T.search.closeFilters, { icon: "close", only: true, kind: "plain close-side", click: () => this.drawer(false) }),
      mayWrite &&
        h(
          "section",
          { class: "upload-buttons", "aria-label": T.upload.button },
          button(T.upload.button, { icon: "upload", kind: "primary", click: this.files.choose, "aria-describedby": "into" }),
          button(T.upload.folder, { icon: "folder", only: true, click: this.folder.choose }),
          this.files.input,
          this.folder.input,
          this.into,
        ),
      parts.sessions,
      h("section", { "aria-label": T.facets.heading }, parts.facets),
    );
    this.into.id = "into";
    this.title = h("h2", { class: "session-name" });
    const account = h(
      "div",
      { class: "account" },
      h("bdi", { class: "who", title: T.account.as(this.who.name) }, this.who.name),
      button(T.account.signOut, { icon: "out", only: true, kind: "plain", click: () => actions.signOut() }),
    );
    // For people who drag; it is of no use in any other way.
    this.target = h("span", {});
    const over = { class: "drop", hidden: true, "aria-hidden": "true" };
    this.over = h("div", over, icon("upload"), h("strong", {}, T.upload.drop), this.target);
    this.main = h(
      "section",
      { class: "main", "aria-label": T.search.results },
      h(
        "div",
        { class: "toolbar" },
        this.title,
        this.count,
        h(
          "div",
          { class: "tools" },
          h("label", { for: "sort", class: "unseen" }, T.search.sort),
          this.sort,
          this.grid,
          this.envelope,
        ),
      ),
      parts.chips,
      this.alone,
      this.notice,
      this.fresh,
      parts.results,
    );
    this.header = h(
      "header",
      { class: "top" },
      h("a", { class: "skip", href: "#results", on: { click: follow(actions.skip) } }, T.skip),
      h(
        "a",
        { class: "brand", href: "/page/", "aria-label": T.title, on: { click: follow(actions.home) } },
        h("img", { src: "/page/static/icon.svg", alt: "", width: "28", height: "28" }),
        h("span", {}, T.title),
      ),
      h("search", {}, icon("search"), this.input, h("kbd", { "aria-hidden": "true" }, "/")),
      // On a narrow screen the sidebar and its buttons are hidden.
      mayWrite && button(T.upload.button, { icon: "upload", only: true, kind: "primary quick", click: this.files.choose }),
      this.filters,
      account,
    );
    part("app").replaceChildren(
      h(
        "div",
        { class: "page" },
        this.header,
        this.side,
        // What is covered gets no focus; the page's main part and its heading stay available, whatever covers what.
        h("main", {}, h("h1", { class: "unseen" }, T.title), this.main, parts.preview),
      ),
      parts.tray,
      this.toast,
      this.over,
    );
    const layout = () => this.layout();
    narrow.addEventListener("change", layout);
    phone.addEventListener("change", layout);
    // A click beside the sidebar closes it.
    addEventListener("click", (event) => {
      const target = /** @type {Node} */ (event.target);
      const beside = ![this.side, this.header].some((each) => each.contains(target));
      if (beside && document.body.classList.contains("with-drawer")) this.drawer(false);
    });
  }

  /** Show which search this is: in the title, the order, the grid button, and the link to the raw answer. */
  show(/** @type {State} */ state) {
    this.sort.value = states.sortOf(state);
    this.sort.options[0].hidden = !state.q.trim();
    set(this.grid, { "aria-pressed": String(state.view === states.GRID) });
    const asked = states.parameters(state);
    if (state.q.trim()) asked.set("highlight", "true");
    asked.set("size", "50");
    this.envelope.href = `/attachment/_search?${asked}`;
    this.title.replaceChildren(h("bdi", {}, state.session));
    this.title.hidden = !state.session;
    this.into.textContent = state.session ? T.upload.into(state.session) : "";
    document.title = [state.q.trim(), state.session, T.title].filter(Boolean).join(" · ");
  }

  /** Show a message, over everything else, that a requested action was not done; an empty text hides it. */
  tell(/** @type {string} */ text) {
    this.told.textContent = text;
    const show = () => {
      this.toast.hidden = !text;
    };
    keepingFocus(this.toast, show, () => (this.covers && this.previewing ? this.preview : this.input));
  }

  get covers() {
    return narrow.matches;
  }

  get phone() {
    return phone.matches;
  }

  /** Open the sidebar on a phone, or close it. */
  drawer(on = !this.side.classList.contains("open")) {
    const was = this.side.classList.contains("open");
    this.side.classList.toggle("open", on);
    this.filters.setAttribute("aria-expanded", String(on));
    this.layout();
    if (on && phone.matches) this.side.querySelector("button")?.focus();
    else if (was && phone.matches) this.filters.focus();
  }

  /** What is covered gets no focus. */
  layout() {
    const drawer = phone.matches && this.side.classList.contains("open");
    const covered = narrow.matches && this.previewing;
    this.side.inert = (phone.matches && !drawer) || covered;
    this.main.inert = drawer || covered;
    this.header.inert = drawer || covered;
    document.body.classList.toggle("with-preview", this.previewing);
    document.body.classList.toggle("with-drawer", drawer);
  }
}
