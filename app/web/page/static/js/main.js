// Puts the page together: its parts, and how they notify each other.

import * as api from "./api.js";
import { Chips } from "./chips.js";
import { answerToken, askSession, askToken, confirmRemoval } from "./dialogs.js";
import { h, part } from "./dom.js";
import { Facets } from "./facets.js";
import { Finding } from "./finding.js";
import { Frame } from "./frame.js";
import { listen } from "./inputs.js";
import { announce, warn } from "./live.js";
import { Place } from "./place.js";
import { Preview } from "./preview.js";
import { Results, message } from "./results.js";
import { Sessions } from "./sessions.js";
import * as states from "./state.js";
import { T, sentence } from "./texts.js";
import { Tray } from "./tray.js";
import { Uploads } from "./uploads.js";

/** @typedef {import("./api.js").Who} Who */
/** @typedef {import("./api.js").Hit} Hit */

class Page {
  constructor(/** @type {Who} */ who) {
    this.who = who;
    this.place = new Place((state, same) => {
      if (this.frame.input.value.trim() !== state.q.trim()) this.frame.input.value = state.q;
      this.show();
      if (!same) this.finding.run();
    });
    this.results = new Results({
      open: (id, options) => this.open(id, options),
      remove: (hit) => this.remove(hit),
      href: (id) => this.place.href({ open: id, ...this.results.placeOf(id) }),
      more: () => this.finding.more(),
    });
    this.facets = new Facets({
      change: (toggle) => this.place.change(toggle(this.state)),
      edit: (what, part) => this.place.edit(what, part),
    });
    this.chips = new Chips({ change: (part) => this.place.change(part), clear: () => this.clearFilters(), gone: () => this.frame.input });
    this.sessions = new Sessions({
      choose: (/** @type {string} */ session) => this.toSession(session),
      add: async () => {
        const name = await askSession();
        if (name) this.toSession(name);
      },
    });
    this.preview = new Preview({
      close: () => this.open(""),
      remove: (hit) => this.remove(hit),
      session: (/** @type {string} */ session) => this.toSession(session),
      scopes: () => this.who.scopes,
    });
    this.uploads = new Uploads({
      changed: (item) => this.tray.changed(item),
      stored: () => this.finding.soon(),
    });
    this.uploads.limit = Math.min(who.limits.max_file_size, who.limits.max_request_size);
    this.tray = new Tray({
      uploads: this.uploads,
      open: (id) => this.open(id, { focus: true }),
      // The words of the search may be in a text that was only read now.
      read: () => this.state.q.trim() && this.finding.soon(),
      gone: () => this.frame.input,
    });
    /** @type {Frame} */
    this.frame = new Frame(
      who,
      {
        results: this.results.element,
        facets: this.facets.element,
        chips: this.chips.element,
        sessions: this.sessions.element,
        preview: this.preview.element,
        tray: this.tray.element,
      },
      {
        take: (files) => this.take(files),
        typed: () => this.place.type(() => this.frame.input.value),
        sort: (sort) => this.place.change({ sort }),
        grid: (on) => this.place.change({ view: on ? states.GRID : "" }),
        skip: () => this.skip(),
        home: () => this.toSession(""),
        fresh: () => this.finding.showFresh(),
        signOut: () => this.signOut(),
      },
    );
    this.finding = new Finding({
      parts: { frame: this.frame, results: this.results, facets: this.facets },
      state: () => this.state,
      changed: () => this.sessions.load(),
      mayWrite: () => this.may("write"),
      clear: () => this.clearFilters(),
      found: () => this.preview.found(this.results.find(this.state.open)),
    });
    this.listen();
  }

  get state() {
    return this.place.state;
  }

  may(/** @type {string} */ scope) {
    return this.who.scopes.includes(scope);
  }

  listen() {
    addEventListener("keydown", (event) => this.key(event));
    addEventListener("beforeunload", (event) => {
      if (this.uploads.numbers().running) event.preventDefault();
    });
    listen({
      take: (files) => this.take(files),
      hover: (on) => {
        this.frame.over.hidden = !on;
        this.frame.target.textContent = T.upload.into(this.state.session);
      },
      nothing: () => this.tell(T.upload.emptyDrop),
    });
    this.frame.input.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "Enter") {
        event.preventDefault();
        this.place.settle();
        this.results.focus(0);
      }
    });
  }

  /** Show what the URL says. */
  start() {
    this.frame.input.value = this.state.q;
    this.show();
    this.sessions.load();
    this.finding.run();
    if (!this.frame.phone && !this.state.open) this.frame.input.focus();
  }

  /** Update everything but the results from the state. */
  show() {
    const { state } = this;
    this.frame.show(state);
    this.sessions.show(state.session);
    this.chips.draw(state);
    this.results.arrange(state.view === states.GRID);
    this.results.mark(state.open);
    const spot = states.spotOf(state);
    if (state.open) this.preview.show(state.open, this.results.find(state.open), { ...this.opening, spot });
    else this.preview.hide();
    this.opening = null;
    this.frame.previewing = Boolean(state.open);
    this.frame.layout();
  }

  clearFilters() {
    this.place.change({ ...states.UNFILTERED });
    this.frame.input.focus();
  }

  toSession(/** @type {string} */ session) {
    this.frame.drawer(false);
    this.place.change({ ...states.UNFILTERED, session, q: "", open: "" });
  }

  skip() {
    if (this.results.hits.length) this.results.focus();
    else this.results.element.focus();
  }

  // One attachment

  open(/** @type {string} */ id, { focus = false } = {}) {
    const before = this.state.open;
    this.opening = { focus: focus || this.frame.covers };
    this.place.change({ open: id, ...this.results.placeOf(id) });
    if (!id && before) {
      const position = this.results.hits.findIndex((hit) => hit._id === before);
      if (position >= 0) this.results.focus(position);
      else this.frame.input.focus();
    }
  }

  async remove(/** @type {Hit} */ hit) {
    const { name } = hit._source;
    if (!this.may("delete")) {
      this.tell(T.remove.denied);
      return;
    }
    if (!(await confirmRemoval(name))) return;
    try {
      await api.remove(hit._id);
    } catch (error) {
      if (error.status !== 404) {
        this.tell(`${T.remove.failed} ${sentence(error)}`);
        return;
      }
    }
    announce(T.remove.done(name));
    if (this.state.open === hit._id) this.place.change({ open: "" }, { replace: true });
    this.results.drop(hit._id);
    if (!this.results.hits.length) this.frame.input.focus();
    this.finding.dropped();
    this.sessions.load();
  }

  tell(/** @type {string} */ text) {
    this.frame.tell(text);
  }

  // Uploading

  take(/** @type {File[]} */ files) {
    if (!this.may("write")) {
      this.tell(T.upload.denied);
      return;
    }
    this.frame.drawer(false);
    this.uploads.add(files, this.state.session);
    announce(T.upload.added(files.length));
  }

  // Around it

  key(/** @type {KeyboardEvent} */ event) {
    const target = event.target instanceof Element ? event.target : null;
    const typing = target?.closest("input, textarea, select, dialog");
    if (event.key === "/" && !typing && !event.metaKey && !event.ctrlKey && !event.altKey) {
      event.preventDefault();
      this.frame.input.select();
    } else if (event.key === "Escape" && !target?.closest("dialog")) {
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
    this.leave(() => location.assign("/page/"));
  }

  /** Another person may use this window now: remove everything on screen, and cancel all uploads. */
  leave(/** @type {() => void} */ go) {
    this.uploads.cancelAll();
    part("app").replaceChildren();
    go();
  }
}

async function begin() {
  /** @type {Page | null} */
  let page = null;
  // Another token may have other rights and see other files.
  const goOn = (/** @type {Who} */ next) => {
    if (!page) return false;
    const { who } = page;
    const same = next.name === who.name && next.tenant === who.tenant;
    if (same) {
      page.who = next;
      page.uploads.resume();
    } else {
      // The words of a search belong to its tenant, too.
      page.leave(() => (next.tenant === who.tenant ? location.reload() : location.assign("/page/")));
    }
    return same;
  };
  const ask = async () => {
    if (goOn(await askToken({ ended: true }))) page?.finding.run();
  };
  api.onSignedInElsewhere(async () => {
    let next;
    try {
      next = await api.whoIsSignedIn();
    } catch {
      // The next call finds out.
      return;
    }
    if (next && answerToken(next)) return;
    if (page) next ? goOn(next) : ask();
  });
  // The browser restored the page from its back/forward cache: another person may see it now.
  addEventListener("pageshow", (event) => {
    if (event.persisted) page?.leave(() => location.reload());
  });

  const who = (await arriving()) ?? (await askToken());
  page = new Page(who);
  api.onSignedOut(ask);
  page.start();
}

/** Who is signed in, or null, as soon as the server answers. */
async function arriving() {
  const app = part("app");
  for (let wait = 1; ; wait = Math.min(wait * 2, 15)) {
    try {
      const who = await api.whoIsSignedIn();
      app.replaceChildren();
      return who;
    } catch {
      app.replaceChildren(h("main", {}, h("h1", { class: "unseen" }, T.title), message("alert", T.down.offline, T.down.retrying)));
      if (wait === 1) warn(`${T.down.offline}. ${T.down.retrying}`);
      await new Promise((resolve) => setTimeout(resolve, wait * 1000));
    }
  }
}

begin();
