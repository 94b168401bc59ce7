// Questions: signing in, deleting, the name of a new session. The browser's own dialogs keep the focus inside.

import { signIn } from "./api.js";
import { button, h } from "./dom.js";
import { T } from "./texts.js";

/** @typedef {import("./api.js").ApiError} ApiError */
/** @typedef {import("./api.js").Who} Who */

function show(/** @type {HTMLDialogElement} */ dialog) {
  document.body.append(dialog);
  const before = document.activeElement;
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before instanceof HTMLElement && before.isConnected) before.focus();
  });
  dialog.showModal();
}

/** Ask whether to delete a file; resolves to the answer. The harmless button has the focus. */
export function confirmRemoval(/** @type {string} */ name) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog",
      { "aria-labelledby": "ask", "aria-describedby": "what", class: "ask" },
      h("h2", { id: "ask" }, T.remove.heading),
      h("p", { id: "what" }, ...around(T.remove.text("\u0000"), h("bdi", {}, name))),
      h(
        "div",
        { class: "actions" },
        button(T.remove.cancel, { autofocus: true, click: () => dialog.close("") }),
        button(T.remove.confirm, { kind: "danger", click: () => dialog.close("yes") }),
      ),
    );
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"));
    show(dialog);
  });
}

// A name in a sentence, in an element of its own: a right-to-left name does not change the direction of the sentence.
function around(/** @type {string} */ text, /** @type {Node} */ node) {
  const [before, after] = text.split("\u0000");
  return [before, node, after];
}

/**
 * Ask for the name of a session; resolves to it, or to null.
 *
 * @returns {Promise<string | null>}
 */
export function askSession() {
  return new Promise((resolve) => {
    const input = h("input", { id: "session-name", type: "text", maxlength: "512", required: true, autocomplete: "off", "aria-describedby": "session-hint" });
    const form = h(
      "form",
      {
        method: "dialog",
        on: {
          submit: (event) => {
            event.preventDefault();
            dialog.close(input.value.trim());
          },
        },
      },
      h("h2", { id: "session-ask" }, T.sessions.add),
      h("label", { for: "session-name" }, T.sessions.name),
      input,
      h("p", { id: "session-hint", class: "quiet small" }, T.sessions.nameHint),
      h(
        "div",
        { class: "actions" },
        button(T.sessions.cancel, { click: () => dialog.close("") }),
        h("button", { class: "button primary", type: "submit" }, T.sessions.create),
      ),
    );
    const dialog = h("dialog", { "aria-labelledby": "session-ask", class: "ask" }, form);
    dialog.addEventListener("close", () => resolve(dialog.returnValue || null));
    show(dialog);
    input.focus();
  });
}

/** @type {Promise<Who> | null} */
let asking = null;
/** @type {((who: Who) => void) | null} */
let answer = null;

/** Close the question for a token, because another window has signed in. Returns whether it was open. */
export function answerToken(/** @type {Who} */ who) {
  const asked = answer !== null;
  answer?.(who);
  return asked;
}

/**
 * Ask for a token until it is valid; resolves to who is signed in. A second call shares the question of the first.
 *
 * @param {{ ended?: boolean }} [options]
 * @returns {Promise<Who>}
 */
export function askToken({ ended = false } = {}) {
  asking ??= new Promise((resolve) => {
    const input = h("input", {
      id: "token",
      type: "password",
      required: true,
      autocomplete: "current-password",
      spellcheck: "false",
      "aria-describedby": "token-hint token-wrong",
    });
    const wrong = h("p", { id: "token-wrong", class: "wrong", role: "alert" });
    const submit = h("button", { class: "button primary wide", type: "submit" }, T.signIn.submit);
    const allowed = isSecureContext;
    const form = h(
      "form",
      {
        on: {
          submit: async (event) => {
            event.preventDefault();
            if (!input.value.trim()) return;
            submit.disabled = true;
            submit.textContent = T.signIn.busy;
            wrong.textContent = "";
            try {
              const who = await signIn(input.value.trim());
              answer?.(who);
            } catch (error) {
              wrong.textContent = why(error);
              input.setAttribute("aria-invalid", "true");
              input.select();
            }
            submit.disabled = false;
            submit.textContent = T.signIn.submit;
            if (dialog.open) input.focus();
          },
        },
      },
      h("img", { src: "/page/static/icon.svg", alt: "", width: "48", height: "48" }),
      h("h1", { id: "sign-in" }, T.signIn.heading),
      h("p", { class: "quiet" }, ended ? T.signIn.ended : T.signIn.lead),
      h("label", { for: "token" }, T.signIn.label),
      input,
      wrong,
      submit,
      h("p", { id: "token-hint", class: "quiet small" }, T.signIn.hint),
    );
    const dialog = h("dialog", { "aria-labelledby": "sign-in", class: "sign-in" }, form);
    // There is nothing behind it to go back to.
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "Escape") event.preventDefault();
    });
    answer = (who) => {
      input.value = "";
      asking = answer = null;
      dialog.close();
      resolve(who);
    };
    show(dialog);
    if (!allowed) {
      wrong.textContent = T.signIn.insecure;
      submit.disabled = true;
    }
    input.focus();
  });
  return asking;
}

function why(/** @type {ApiError} */ error) {
  if (error.status === 0) return T.signIn.offline;
  if (error.status === 401) return T.signIn.wrong;
  if (error.status === 429) return T.signIn.often(error.retryAfter ?? 60);
  if (error.status === 403) return T.signIn.insecure;
  return T.signIn.failed;
}
