// The positions of results: in rows below each other, or in a grid. Rows are a grid of one column, so that the same
// arithmetic says what is on screen, where it is and where a key leads.

// CSS pixels. All items have the same height; the heights of rows are in page.css, too.
const LOW = 64;
const HIGH = 108;
// The least width of an item in the grid, and its height for words, beside a picture of four to three.
const NARROWEST = 180;
const WORDS = 80;
// On the narrowest phones, too.
const FEWEST = 2;
// Room on the left and right of the grid.
const EDGE = 8;
// Lines of items beyond the window on each side.
const ROWS_BEYOND = 8;
const LINES_BEYOND = 2;

export class Layout {
  /** `grid`: tiles, else rows; `high`: rows with room for a passage; `width`: of the list, in CSS pixels. */
  constructor({ grid = false, high = false, width = 0 } = {}) {
    this.grid = grid;
    this.high = high && !grid;
    const room = Math.max(0, width - 2 * EDGE);
    this.columns = grid ? Math.max(FEWEST, Math.floor(room / NARROWEST)) : 1;
    this.width = grid ? Math.floor(room / this.columns) : 0;
    this.height = grid ? Math.round(this.width * 0.75) + WORDS : high ? HIGH : LOW;
    this.beyond = grid ? LINES_BEYOND : ROWS_BEYOND;
  }

  equals(/** @type {Layout} */ other) {
    const { grid, high, columns, width } = other;
    return this.grid === grid && this.high === high && this.columns === columns && this.width === width;
  }

  /** The height of `count` items together. */
  whole(/** @type {number} */ count) {
    return Math.ceil(count / this.columns) * this.height;
  }

  /** How far below the beginning of the list the item at a position begins. */
  top(/** @type {number} */ position) {
    return Math.floor(position / this.columns) * this.height;
  }

  /** Move an item's element to its position. */
  place(/** @type {HTMLElement} */ element, /** @type {number} */ position) {
    const left = this.grid ? EDGE + (position % this.columns) * this.width : 0;
    element.style.transform = `translate(${left}px, ${this.top(position)}px)`;
    element.style.width = this.grid ? `${this.width}px` : "";
    element.style.height = this.grid ? `${this.height}px` : "";
  }

  /**
   * The positions that are on screen, of `count`: [first, after the last]; with those near the window, unless `exactly`.
   *
   * @param {{ scrollTop: number, clientHeight: number }} window
   * @param {number} count
   * @param {{ exactly?: boolean }} [options]
   */
  span({ scrollTop, clientHeight }, count, { exactly = false } = {}) {
    const beyond = exactly ? 0 : this.beyond;
    const first = Math.max(0, Math.floor(scrollTop / this.height) - beyond) * this.columns;
    const last = (Math.ceil((scrollTop + clientHeight) / this.height) + beyond) * this.columns;
    return [first, Math.min(count, last)];
  }

  /** The position that a key leads to from `current`, of `count` items; undefined for any other key. */
  move(/** @type {string} */ key, /** @type {number} */ current, /** @type {number} */ count, /** @type {number} */ clientHeight) {
    const { columns } = this;
    const lines = Math.max(1, Math.floor(clientHeight / this.height) - 1);
    const last = count - 1;
    const up = (/** @type {number} */ by) => Math.max(current - by * columns, current % columns);
    // If the last line is shorter, to its end; from the last line, nowhere.
    const down = (/** @type {number} */ by) => {
      const left = Math.floor(last / columns) - Math.floor(current / columns);
      return Math.min(current + Math.min(by, left) * columns, last);
    };
    switch (key) {
      case "ArrowDown":
        return down(1);
      case "ArrowUp":
        return up(1);
      case "PageDown":
        return down(lines);
      case "PageUp":
        return up(lines);
      case "Home":
        return 0;
      case "End":
        return last;
      case "ArrowRight":
        return this.grid ? Math.min(current + 1, last) : undefined;
      case "ArrowLeft":
        return this.grid ? Math.max(current - 1, 0) : undefined;
      default:
        return undefined;
    }
  }
}
