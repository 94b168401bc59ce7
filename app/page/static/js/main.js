// The page, put together: what is on it, and how its parts tell each other.

import * as api from "./api.js";
import { askSession, askToken, confirmRemoval } from "./dialogs.js";
import { button, h, icon } from "./dom.js";
import { Facets, chips } from "./facets.js";
import { Frame } from "./frame.js";
import { listen } from "./inputs.js";
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

class Page {
  constructor(who) {
    this.who = who;
    this.state = states.read(location.search);
    this.failures = 0;

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
    this.tray = new Tray({
      uploads: this.uploads,
      open: (id) => this.open(id, { focus: true }),
      // What is searched for may be in a text that was only read now.
      read: () => this.state.q.trim() && this.soon(),
    });
    this.frame = new Frame(
      who,
      {
        results: this.results.element,
        facets: this.facets.element,
        sessions: this.sessions.element,
        preview: this.preview.element,
        tray: this.tray.element,
      },
      {
        take: (files) => this.take(files),
        typed: () => this.typed(),
        sort: (sort) => this.change({ sort }),
        skip: () => this.skip(),
        home: () => this.toSession(""),
        fresh: () => this.showFresh(),
        signOut: () => this.signOut(),
      },
    );
    this.listen();
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
        this.frame.over.hidden = !on;
        this.frame.over.lastChild.textContent = T.upload.into(this.state.session);
      },
      nothing: () => warn(T.upload.emptyDrop),
    });
    this.frame.input.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "Enter") {
        event.preventDefault();
        this.results.focus(0);
      }
    });
  }

  /** Show what the URL says. */
  start() {
    this.frame.input.value = this.state.q;
    this.show();
    this.sessions.load();
    this.run();
    if (!this.frame.phone && !this.state.open) this.frame.input.focus();
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
      this.change({ q: this.frame.input.value }, { replace: typing });
      this.typing = true;
    }, TYPING);
  }

  go(state) {
    const same = states.sameSearch(state, this.state);
    this.state = state;
    if (this.frame.input.value.trim() !== state.q.trim()) this.frame.input.value = state.q;
    this.show();
    if (!same) this.run();
  }

  /** Bring everything but the results in line with the state. */
  show() {
    const { state } = this;
    this.frame.sort.value = states.sortOf(state);
    this.frame.sort.options[0].hidden = !state.q.trim();
    this.frame.envelope.href = `/attachment/_search?${this.asked()}`;
    this.frame.title.replaceChildren(h("bdi", {}, state.session));
    this.frame.title.hidden = !state.session;
    document.title = [state.q.trim(), state.session, T.title].filter(Boolean).join(" · ");
    this.frame.into.textContent = state.session ? T.upload.into(state.session) : "";
    this.sessions.show(state.session);
    this.drawChips();
    this.results.mark(state.open);
    if (state.open) this.preview.show(state.open, this.results.find(state.open), this.opening ?? {});
    else this.preview.hide();
    this.opening = null;
    this.frame.previewing = Boolean(state.open);
    this.frame.layout();
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
    this.frame.chips.replaceChildren(...each);
    this.frame.chips.hidden = !all.length;
  }

  clearFilters() {
    this.change({ session: "", kind: [], date: "", min: "", max: "", dialect: [] });
    this.frame.input.focus();
  }

  toSession(session) {
    this.frame.drawer(false);
    this.change({ session, q: "", kind: [], date: "", min: "", max: "", dialect: [], open: "" });
  }

  skip() {
    if (this.results.hits.length) this.results.focus();
    else this.results.element.focus();
  }

  // Searching

  async run({ quiet = false } = {}) {
    clearTimeout(this.again);
    this.quiet = quiet;
    this.frame.fresh.hidden = true;
    this.frame.main.setAttribute("aria-busy", "true");
    // What was found before stays until the new answer is there, unless that takes its time.
    const slow = setTimeout(() => this.frame.main.classList.add("waiting"), 250);
    if (!this.results.hits.length && !quiet) this.results.footer(skeleton());
    await this.search.begin(this.state);
    clearTimeout(slow);
    this.frame.main.classList.remove("waiting");
  }

  arrived(hits, { first, done, total, exact, facets }) {
    this.frame.main.removeAttribute("aria-busy");
    if (this.failures) announce(T.down.back);
    this.failures = 0;
    this.frame.notice.hidden = true;
    if (!first) {
      this.results.append(hits);
      this.results.footer(done ? null : h("p", { class: "quiet small" }, T.search.more));
      return;
    }
    this.results.replace(hits, { total, exact, high: Boolean(this.state.q.trim()), keep: this.quiet });
    this.results.mark(this.state.open);
    this.facets.draw(this.state, facets);
    this.frame.count.textContent = T.search.found(total, exact);
    if (!this.quiet) announce(T.search.found(total, exact));
    this.results.footer(hits.length ? (done ? null : h("p", { class: "quiet small" }, T.search.more)) : this.nothing());
  }

  nothing() {
    if (!this.state.q.trim() && !states.isFiltered({ ...this.state, session: "" })) {
      const heading = this.state.session ? T.empty.session : T.empty.all;
      const choose = this.who.scopes.includes("write")
        ? button(T.upload.files, { icon: "upload", kind: "primary", click: this.frame.files.choose })
        : null;
      return message("upload", heading, T.empty.allHint, choose);
    }
    const clear = states.isFiltered(this.state)
      ? button(T.search.clearFilters, { click: () => this.clearFilters() })
      : null;
    return message("search", T.empty.none, T.empty.noneHint, clear);
  }

  failed(error, first) {
    this.frame.main.removeAttribute("aria-busy");
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
    this.frame.notice.replaceChildren(
      icon("alert"),
      h("div", {}, h("strong", {}, heading), h("p", {}, text)),
      button(T.search.again, { icon: "retry", click: () => this.run() }),
    );
    this.frame.notice.hidden = false;
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
      else this.frame.fresh.hidden = false;
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
    this.opening = { focus: focus || this.frame.covers };
    this.change({ open: id });
    if (!id && before) {
      const position = this.results.hits.findIndex((hit) => hit._id === before);
      if (position >= 0) this.results.focus(position);
      else this.frame.input.focus();
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
    if (!this.results.hits.length) this.frame.input.focus();
    this.run({ quiet: true });
    this.sessions.load();
  }

  tell(text) {
    this.frame.notice.replaceChildren(icon("alert"), h("div", {}, h("p", {}, text)), button(T.search.again, { hidden: true }));
    this.frame.notice.hidden = false;
    warn(text);
  }

  // Uploading

  take(files) {
    if (!this.who.scopes.includes("write")) {
      this.tell(T.upload.denied);
      return;
    }
    this.frame.drawer(false);
    this.uploads.add(files, this.state.session);
    announce(T.upload.added(files.length));
  }

  // Around it

  key(event) {
    const typing = event.target.closest?.("input, textarea, select, dialog");
    if (event.key === "/" && !typing && !event.metaKey && !event.ctrlKey && !event.altKey) {
      event.preventDefault();
      this.frame.input.select();
    } else if (event.key === "Escape" && !event.target.closest?.("dialog")) {
      if (this.frame.side.classList.contains("open")) this.frame.drawer(false);
      else if (this.state.open) this.open("");
    }
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
