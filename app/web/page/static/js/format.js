// Numbers, sizes and times as people read them.

const UNITS = ["bytes", "KB", "MB", "GB", "TB"];
const numbers = new Intl.NumberFormat("en");
const dayAndTime = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
const fullTime = new Intl.DateTimeFormat("en", { dateStyle: "full", timeStyle: "medium", hourCycle: "h23" });
const time = new Intl.DateTimeFormat("en", { timeStyle: "short", hourCycle: "h23" });
const day = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });
const dayOfYear = new Intl.DateTimeFormat("en", { dateStyle: "medium" });

export const count = (/** @type {number} */ number) => numbers.format(number);

/** A size in powers of 1,024. */
export function bytes(/** @type {number} */ size) {
  let unit = 0;
  let value = size;
  while (value >= 1023.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  if (unit === 0) return Math.round(size) === 1 ? "1 byte" : `${Math.round(size)} bytes`;
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** Seconds left, roughly. */
export function duration(/** @type {number} */ exact) {
  const seconds = Math.max(1, Math.round(exact));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.floor(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A time for a list: shorter the nearer it is. */
export function when(/** @type {string} */ text, now = new Date()) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return "";
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate());
  if (date >= midnight) return time.format(date);
  return date.getFullYear() === now.getFullYear() ? day.format(date) : dayOfYear.format(date);
}

export const exactly = (/** @type {string} */ text) => dayAndTime.format(new Date(text));
export const inFull = (/** @type {string} */ text) => fullTime.format(new Date(text));

/** A day of the state, such as 2026-05-17, in words. */
export const dayOf = (/** @type {string} */ text) => dayOfYear.format(new Date(`${text}T00:00`));
