// The page, put together: what is on it, and how its parts tell each other.

import * as api from "./api.js";
import { askSession, askToken, confirmRemoval } from "./dialogs.js";
import { button, h, icon, set } from "./dom.js";
import { Facets, chips } from "./facets.js";
import { listen, picker } from "./inputs.js";
import { announce, warn } from "./live.js";
import { Preview } from "./preview.js";
import { Results, message, skeleton } from "./results.js";
import { Search } from "./search.js";
import { Sessions } from "./sessions.js";
import * as states from "./state.js";
import { T, sentence } from "./texts.js";
import { Tray } from "./tray.js";
import { Uploads } from "./uploads.js";

// Milliseconds: after the last key before a search begins, and after an upload before the list is asked for again.
const TYPING = 150;
const ARRIVING = 400;
// Seconds after which a search that failed is tried again by itself, longer each time.
const RETRY = [2, 4, 8, 15, 30];
// Below this width in CSS pixels filters and preview lie over the list, as in page.css.
const narrow = matchMedia("(max-width: 1080px)");
const phone = matchMedia("(max-width: 760px)");

class Page {
  constructor(who) {
    this.who = who;
    this.state = states.read(location.search);
    this.failures = 0;
    this.shown = 0;

    this.search = new Search({
      page: (hits, about) => this.arrived(hits, about),
      failed: (error, first) => this.failed(error, first),
    });
    this.results = new Results({
      open: (id, options) => this.open(id, options),
      remove: (hit) => this.remove(hit),
      href: (id) => `/page/${states.write({ ...this.state, open: id })}`,
      more: () => this.more(),
    });
    this.facets = new Facets({ change: (toggle) => this.change(toggle(this.state)) });
    this.sessions = new Sessions({
      choose: (session) => this.toSession(session),
      add: async () => {
        const name = await askSession();
        if (name) this.toSession(name);
      },
    });
    this.preview = new Preview({
      close: () => this.open(""),
      remove: (hit) => this.remove(hit),
      session: (session) => this.toSession(session),
      scopes: () => this.who.scopes,
    });
    this.uploads = new Uploads({
      changed: (item) => this.tray.changed(item),
      stored: () => this.soon(),
    });
    this.uploads.limit = Math.min(who.limits.max_file_size, who.limits.max_request_size);
    this.tray = new Tray({ uploads: this.uploads, open: (id) => this.open(id, { focus: true }) });
    this.build();
    this.listen();
  }

  build() {
    const take = (files) => this.take(files);
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
      on: { input: () => this.typed() },
    });
    this.count = h("span", { class: "count" });
    this.chips = h("div", { class: "chips" });
    this.sort = h(
      "select",
      { id: "sort", on: { change: () => this.change({ sort: this.sort.value }) } },
      states.SORTS.map((value) => h("option", { value }, T.search.sorts[value])),
    );
    this.envelope = h(
      "a",
      { class: "button plain small", target: "_blank", rel: "noopener", title: T.search.envelopeTitle },
      icon("code"),
      h("span", {}, T.search.envelope),
    );
    this.notice = h("div", { class: "notice", hidden: true });
    this.fresh = h(
      "div",
      { class: "fresh", hidden: true },
      button(`${T.search.fresh}. ${T.search.show}`, { icon: "retry", kind: "primary small", click: () => this.showFresh() }),
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
          "div",
          { class: "upload-buttons" },
          button(T.upload.button, { icon: "upload", kind: "primary", click: this.files.choose, "aria-describedby": "into" }),
          button(T.upload.folder, { icon: "folder", only: true, click: this.folder.choose }),
          this.files.input,
          this.folder.input,
        ),
      mayWrite && this.into,
      this.sessions.element,
      h("section", { "aria-label": T.facets.heading }, this.facets.element),
    );
    this.into.id = "into";
    this.title = h("h1", {}, h("span", { class: "unseen" }, T.title));
    const account = h(
      "div",
      { class: "account" },
      h("bdi", { class: "who", title: T.account.as(this.who.name) }, this.who.name),
      button(T.account.signOut, { icon: "out", only: true, kind: "plain", click: () => this.signOut() }),
    );
    this.over = h("div", { class: "drop", hidden: true }, icon("upload"), h("strong", {}, T.upload.drop), h("span", {}));
    this.main = h(
      "main",
      { class: "main", id: "main" },
      h("div", { class: "toolbar" }, this.title, this.count, h("div", { class: "tools" }, h("label", { for: "sort", class: "unseen" }, T.search.sort), this.sort, this.envelope)),
      this.chips,
      this.notice,
      this.fresh,
      this.results.element,
    );
    this.header = h(
      "header",
      { class: "top" },
      h("a", { class: "skip", href: "#results", on: { click: (event) => this.skip(event) } }, T.skip),
      h("a", { class: "brand", href: "/page/", on: { click: (event) => this.home(event) } }, h("img", { src: "/page/static/icon.svg", alt: "", width: "28", height: "28" }), h("span", {}, T.title)),
      h("search", {}, icon("search"), this.input, h("kbd", { "aria-hidden": "true" }, "/")),
      this.filters,
      account,
    );
    document.getElementById("app").replaceChildren(
      h("div", { class: "page" }, this.header, this.side, this.main, this.preview.element),
      this.tray.element,
      this.over,
    );
  }

  listen() {
    addEventListener("popstate", () => this.go(states.read(location.search)));
    addEventListener("keydown", (event) => this.key(event));
    addEventListener("beforeunload", (event) => {
      if (this.uploads.numbers().running) event.preventDefault();
    });
    listen({
      take: (files) => this.take(files),
      hover: (on) => {
        this.over.hidden = !on;
        this.over.lastChild.textContent = T.upload.into(this.state.session);
      },
      nothing: () => warn(T.upload.emptyDrop),
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "Enter") {
        event.preventDefault();
        this.results.focus(0);
      }
    });
    const layout = () => this.layout();
    narrow.addEventListener("change", layout);
    phone.addEventListener("change", layout);
  }

  /** Show what the URL says. */
  start() {
    this.input.value = this.state.q;
    this.show();
    this.sessions.load();
    this.run();
    if (!phone.matches && !this.state.open) this.input.focus();
  }

  // Where it is: the URL and what follows from it

  /** Change the state by what a person chose: an entry of its own in the history. */
  change(part, { replace = false } = {}) {
    const state = { ...this.state, ...part };
    if (states.write(state) === states.write(this.state)) return;
    const url = `/page/${states.write(state)}`;
    if (replace) history.replaceState({}, "", url);
    else history.pushState({}, "", url);
    this.typing = false;
    this.go(state);
  }

  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      // The keys of one search are one entry: back goes to the search before.
      const typing = this.typing;
      this.change({ q: this.input.value }, { replace: typing });
      this.typing = true;
    }, TYPING);
  }

  go(state) {
    const same = states.sameSearch(state, this.state);
    this.state = state;
    if (this.input.value.trim() !== state.q.trim()) this.input.value = state.q;
    this.show();
    if (!same) this.run();
  }

  /** Bring everything but the results in line with the state. */
  show() {
    const { state } = this;
    this.sort.value = states.sortOf(state);
    this.sort.options[0].hidden = !state.q.trim();
    this.envelope.href = `/attachment/_search?${this.asked()}`;
    this.title.replaceChildren(
      state.session ? h("bdi", {}, state.session) : h("span", { class: "unseen" }, T.title),
    );
    document.title = [state.q.trim(), state.session, T.title].filter(Boolean).join(" · ");
    this.into.textContent = state.session ? T.upload.into(state.session) : "";
    this.sessions.show(state.session);
    this.drawChips();
    this.results.mark(state.open);
    if (state.open) this.preview.show(state.open, this.results.find(state.open), this.opening ?? {});
    else this.preview.hide();
    this.opening = null;
    this.layout();
  }

  asked() {
    const found = states.parameters(this.state);
    if (this.state.q.trim()) found.set("highlight", "true");
    found.set("size", "50");
    return found;
  }

  drawChips() {
    const all = chips(this.state);
    const each = all.map(({ label, change }) =>
      h(
        "button",
        { type: "button", class: "chip", "aria-label": T.search.without(label), on: { click: () => this.change(change) } },
        h("bdi", {}, label),
        icon("close"),
      ),
    );
    if (all.length > 1) each.push(button(T.search.clearFilters, { kind: "plain small", click: () => this.clearFilters() }));
    this.chips.replaceChildren(...each);
    this.chips.hidden = !all.length;
  }

  clearFilters() {
    this.change({ session: "", kind: [], date: "", min: "", max: "", dialect: [] });
    this.input.focus();
  }

  toSession(session) {
    this.drawer(false);
    this.change({ session, q: "", kind: [], date: "", min: "", max: "", dialect: [], open: "" });
  }

  home(event) {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    this.toSession("");
  }

  skip(event) {
    event.preventDefault();
    if (this.results.hits.length) this.results.focus();
    else this.results.element.focus();
  }

  // Searching

  async run({ quiet = false } = {}) {
    clearTimeout(this.again);
    this.quiet = quiet;
    this.fresh.hidden = true;
    this.main.setAttribute("aria-busy", "true");
    // What was found before stays until the new answer is there, unless that takes its time.
    const slow = setTimeout(() => this.main.classList.add("waiting"), 250);
    if (!this.results.hits.length && !quiet) this.results.footer(skeleton());
    await this.search.begin(this.state);
    clearTimeout(slow);
    this.main.classList.remove("waiting");
  }

  arrived(hits, { first, done, total, exact, facets }) {
    this.main.removeAttribute("aria-busy");
    if (this.failures) announce(T.down.back);
    this.failures = 0;
    this.notice.hidden = true;
    if (!first) {
      this.results.append(hits);
      this.results.footer(done ? null : h("p", { class: "quiet small" }, T.search.more));
      return;
    }
    this.results.replace(hits, { total, exact, high: Boolean(this.state.q.trim()), keep: this.quiet });
    this.results.mark(this.state.open);
    this.facets.draw(this.state, facets);
    this.count.textContent = T.search.found(total, exact);
    if (!this.quiet) announce(T.search.found(total, exact));
    this.results.footer(hits.length ? (done ? null : h("p", { class: "quiet small" }, T.search.more)) : this.nothing());
  }

  nothing() {
    if (!this.state.q.trim() && !states.isFiltered({ ...this.state, session: "" })) {
      const heading = this.state.session ? T.empty.session : T.empty.all;
      const choose = this.who.scopes.includes("write")
        ? button(T.upload.files, { icon: "upload", kind: "primary", click: this.files.choose })
        : null;
      return message("upload", heading, T.empty.allHint, choose);
    }
    const clear = states.isFiltered(this.state)
      ? button(T.search.clearFilters, { click: () => this.clearFilters() })
      : null;
    return message("search", T.empty.none, T.empty.noneHint, clear);
  }

  failed(error, first) {
    this.main.removeAttribute("aria-busy");
    if (error.status === 401) return;
    if (!first) {
      const again = button(T.search.again, { icon: "retry", click: () => this.search.more() });
      this.results.footer(h("div", { class: "message" }, h("p", {}, T.search.moreFailed), again));
      return;
    }
    const offline = error.status === 0;
    const down = error.status === 503;
    const heading = offline ? T.down.offline : down ? T.down.heading : T.down.failed;
    const text = offline ? T.down.offlineText : down ? T.down.text : sentence(error);
    this.notice.replaceChildren(
      icon("alert"),
      h("div", {}, h("strong", {}, heading), h("p", {}, text)),
      button(T.search.again, { icon: "retry", click: () => this.run() }),
    );
    this.notice.hidden = false;
    if (!this.results.hits.length) this.results.footer();
    if (!this.failures) warn(`${heading}. ${text}`);
    if (offline || down) {
      const wait = RETRY[Math.min(this.failures, RETRY.length - 1)];
      this.failures += 1;
      this.again = setTimeout(() => {
        this.run({ quiet: true });
        this.sessions.load();
      }, wait * 1000);
    }
  }

  more() {
    this.search.more();
  }

  /** Something was stored: ask again soon, once for many. */
  soon() {
    if (this.arriving) return;
    this.arriving = setTimeout(() => {
      this.arriving = null;
      this.sessions.load();
      if (this.results.atTop()) this.run({ quiet: true });
      else this.fresh.hidden = false;
    }, ARRIVING);
  }

  showFresh() {
    this.results.element.scrollTop = 0;
    this.run({ quiet: false });
    this.results.focus(0);
  }

  // One attachment

  open(id, { focus = false } = {}) {
    const before = this.state.open;
    this.opening = { focus: focus || narrow.matches };
    this.change({ open: id });
    if (!id && before) {
      const position = this.results.hits.findIndex((hit) => hit._id === before);
      if (position >= 0) this.results.focus(position);
      else this.input.focus();
    }
  }

  async remove(hit) {
    const { name } = hit._source;
    if (!this.who.scopes.includes("delete")) {
      warn(T.remove.denied);
      return;
    }
    if (!(await confirmRemoval(name))) return;
    try {
      await api.remove(hit._id);
    } catch (error) {
      if (error.status !== 404) {
        const text = `${T.remove.failed} ${sentence(error)}`;
        this.tell(text);
        return;
      }
    }
    announce(T.remove.done(name));
    if (this.state.open === hit._id) this.change({ open: "" }, { replace: true });
    this.results.drop(hit._id);
    if (!this.results.hits.length) this.input.focus();
    this.run({ quiet: true });
    this.sessions.load();
  }

  tell(text) {
    this.notice.replaceChildren(icon("alert"), h("div", {}, h("p", {}, text)), button(T.search.again, { hidden: true }));
    this.notice.hidden = false;
    warn(text);
  }

  // Uploading

  take(files) {
    if (!this.who.scopes.includes("write")) {
      this.tell(T.upload.denied);
      return;
    }
    this.drawer(false);
    this.uploads.add(files, this.state.session);
    announce(T.upload.added(files.length));
  }

  // Around it

  key(event) {
    const typing = event.target.closest?.("input, textarea, select, dialog");
    if (event.key === "/" && !typing && !event.metaKey && !event.ctrlKey && !event.altKey) {
      event.preventDefault();
      this.input.select();
    } else if (event.key === "Escape" && !event.target.closest?.("dialog")) {
      if (this.side.classList.contains("open")) this.drawer(false);
      else if (this.state.open) this.open("");
    }
  }

  drawer(on = !this.side.classList.contains("open")) {
    const was = this.side.classList.contains("open");
    this.side.classList.toggle("open", on);
    this.filters.setAttribute("aria-expanded", String(on));
    this.layout();
    if (on && phone.matches) this.side.querySelector("button").focus();
    else if (was && phone.matches) this.filters.focus();
  }

  /** What lies under something else takes no focus. */
  layout() {
    const drawer = phone.matches && this.side.classList.contains("open");
    const covered = narrow.matches && Boolean(this.state.open);
    this.side.inert = (phone.matches && !drawer) || covered;
    this.main.inert = drawer || covered;
    this.header.inert = drawer || covered;
    document.body.classList.toggle("with-preview", Boolean(this.state.open));
    document.body.classList.toggle("with-drawer", drawer);
  }

  async signOut() {
    try {
      await api.signOut();
    } catch (error) {
      if (error.status !== 401) {
        this.tell(sentence(error));
        return;
      }
    }
    announce(T.account.signedOut);
    this.uploads.cancelAll();
    // Nothing of what was on screen stays for who comes next.
    location.assign("/page/");
  }
}

async function begin() {
  let who = null;
  for (let wait = 1; ; wait = Math.min(wait * 2, 15)) {
    try {
      who = await api.whoIsSignedIn();
      break;
    } catch {
      const app = document.getElementById("app");
      app.replaceChildren(message("alert", T.down.offline, T.down.retrying));
      await new Promise((resolve) => setTimeout(resolve, wait * 1000));
    }
  }
  document.getElementById("app").replaceChildren();
  who ??= await askToken();
  const page = new Page(who);
  api.onSignedOut(async () => {
    const next = await askToken({ ended: true });
    // Another token may do other things and see other files.
    if (next.name !== page.who.name || next.tenant !== page.who.tenant) location.reload();
    else page.run();
    page.who = next;
  });
  page.start();
}

begin();
