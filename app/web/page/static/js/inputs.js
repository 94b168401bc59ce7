// The ways in which files are added: dropped, pasted, chosen; folders with everything in them.

import { h } from "./dom.js";

/**
 * Call `take(files)` for files that are dropped on the page or pasted into it; `hover(on)` while something is above it;
 * `nothing()` when nothing of what was dropped is a file.
 *
 * @param {{ take: (files: File[]) => void, hover: (on: boolean) => void, nothing: () => void }} actions
 */
export function listen({ take, hover, nothing }) {
  let depth = 0;
  const carriesFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth += 1;
    hover(true);
  });
  addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
  });
  addEventListener("dragleave", (event) => {
    if (!carriesFiles(event)) return;
    depth = Math.max(0, depth - 1);
    if (depth === 0) hover(false);
  });
  addEventListener("drop", async (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    hover(false);
    const files = event.dataTransfer ? await dropped(event.dataTransfer) : [];
    if (files.length) take(files);
    else nothing();
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    take(files);
  });
}

async function dropped(/** @type {DataTransfer} */ transfer) {
  // The list is empty after the first await, so everything is read from it before.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry !== null);
  if (!entries.length) return [...transfer.files];
  /** @type {File[]} */
  const found = [];
  for (const entry of entries) await collect(entry, found);
  return found;
}

/** @returns {entry is FileSystemFileEntry} */
const isFile = (/** @type {FileSystemEntry} */ entry) => entry.isFile;

/** @returns {entry is FileSystemDirectoryEntry} */
const isFolder = (/** @type {FileSystemEntry} */ entry) => entry.isDirectory;

async function collect(/** @type {FileSystemEntry} */ entry, /** @type {File[]} */ found) {
  if (isFile(entry)) {
    await new Promise((/** @type {(value?: unknown) => void} */ resolve) => {
      entry.file(
        (file) => {
          found.push(file);
          resolve();
        },
        // What can't be read is left out; the others still come.
        resolve,
      );
    });
    return;
  }
  if (!isFolder(entry)) return;
  const reader = entry.createReader();
  for (;;) {
    // A folder is read in portions, and an empty portion is the end.
    /** @type {FileSystemEntry[]} */
    const portion = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!portion.length) return;
    for (const each of portion) await collect(each, found);
  }
}

/**
 * A hidden input that asks for files, or for a folder; `choose()` opens it.
 *
 * @param {{ folder: boolean, label: string, take: (files: File[]) => void }} options
 */
export function picker({ folder, label, take }) {
  const input = h("input", {
    type: "file",
    multiple: true,
    webkitdirectory: folder,
    hidden: true,
    "aria-label": label,
    "data-picker": folder ? "folder" : "files",
    on: {
      change: () => {
        if (input.files?.length) take([...input.files]);
        // The same file can be chosen again.
        input.value = "";
      },
    },
  });
  return { input, choose: () => input.click() };
}
