// Tables that are sorted by their heads and shown in pages, for a pointer, the keyboard and screen readers.

import { compareTexts } from "./data.js";
import { append, choice, el, newId, replace } from "./dom.js";
import { count, number } from "./format.js";

const PAGES = ["25", "100", "500"];

/**
 * Make a table.
 *
 * Options: `caption`; `columns`, objects with `key`, `title`, and of each row `cell(row)` (what is shown) and `value(row)` (what it is
 * sorted by; without it the column is not sorted), `number` (aligned to the right), `hint`, `wide` (left away on a phone);
 * `rows`; `sort`, a key, with `-` before it the other way round; `sorted(key)`, called with that; `noun`; `rowClass(row)`;
 * `under(row)`, rows of the table below a row.
 */
export class Table {
  constructor(options) {
    this.noun = "row";
    this.page = 0;
    this.size = 100;
    Object.assign(this, options);
    this.title = el("caption", { class: "hidden" }, this.caption);
    this.head = el("thead");
    this.body = el("tbody", { on: { keydown: (event) => this.move(event) } });
    this.pager = el("div", { class: "pager" });
    const id = newId();
    this.title.id = id;
    const table = el("table", {}, this.title, this.head, this.body);
    this.scroller = el("div", { class: "scroll", role: "region", "aria-labelledby": id, tabindex: 0 }, table);
    this.element = el("div", { class: "table" }, this.scroller, this.pager);
    this.draw();
  }

  /** Show other rows or columns. */
  update(options) {
    Object.assign(this, options);
    if ("rows" in options) this.page = 0;
    this.draw();
  }

  draw() {
    this.order = this.sortedRows();
    this.drawHead();
    this.drawBody();
  }

  sortedRows() {
    const key = this.sort?.replace(/^-/, "");
    const column = this.columns.find((found) => found.key === key && found.value);
    return column ? sortBy(this.rows, column.value, this.sort.startsWith("-")) : this.rows;
  }

  drawHead() {
    const cells = this.columns.map((column) => {
      const direction = this.sort === column.key ? "ascending" : this.sort === `-${column.key}` ? "descending" : "none";
      const properties = { scope: "col", class: classes(column), title: column.hint };
      if (!column.value) return el("th", properties, column.head ?? column.title);
      const button = el("button", { type: "button", on: { click: () => this.sortAs(column.key) } }, column.title, el("span", { class: "arrow", "aria-hidden": "true" }));
      return el("th", { ...properties, "aria-sort": direction }, button);
    });
    replace(this.head, el("tr", {}, cells));
  }

  sortAs(key) {
    this.sort = this.sort === key ? `-${key}` : key;
    this.page = 0;
    this.sorted?.(this.sort);
    this.draw();
    const at = this.columns.findIndex((column) => column.key === key);
    this.head.rows[0].cells[at].querySelector("button").focus({ preventScroll: true });
  }

  drawBody() {
    const begin = this.page * this.size;
    const shown = this.order.slice(begin, begin + this.size);
    replace(this.body, shown.map((row) => this.drawRow(row)));
    if (!shown.length) replace(this.body, el("tr", {}, el("td", { colspan: this.columns.length, class: "empty" }, this.empty ?? `No ${this.noun}s.`)));
    this.drawPager(begin, shown.length);
  }

  drawRow(row) {
    const cells = this.columns.map((column) => append(el("td", { class: classes(column) }), column.cell(row)));
    return [el("tr", { class: this.rowClass?.(row) }, cells), this.under?.(row) ?? null];
  }

  drawPager(begin, shown) {
    const { length } = this.order;
    this.pager.hidden = length <= Number(PAGES[0]);
    if (this.pager.hidden) return;
    const turn = (step) => () => {
      this.page += step;
      this.drawBody();
      this.scroller.scrollTop = 0;
    };
    const button = (text, step, disabled) => el("button", { type: "button", disabled, on: { click: turn(step) } }, text);
    replace(
      this.pager,
      button("‹ Previous", -1, this.page === 0),
      button("Next ›", 1, begin + shown >= length),
      el("span", { role: "status" }, `${number(begin + 1)}–${number(begin + shown)} of ${count(length, this.noun)}`),
      choice("per page", PAGES.map((size) => [size, size]), String(this.size), (size) => {
        this.size = Number(size);
        this.page = 0;
        this.drawBody();
      }),
    );
  }

  /** Move between rows by the arrow keys: from a link or button to the one at the same place. */
  move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    const row = event.target.closest("tr");
    if (step === undefined || !row || event.target.matches("input[type=text], select")) return;
    const place = focusable(row).indexOf(event.target);
    const rows = [...this.body.rows].filter((found) => focusable(found).length);
    const to = rows[Math.max(0, Math.min(rows.length - 1, rows.indexOf(row) + step))];
    const targets = to ? focusable(to) : [];
    if (!targets.length) return;
    event.preventDefault();
    (targets[place] ?? targets[0]).focus();
  }
}

function focusable(row) {
  return [...row.querySelectorAll("a[href], button, input")];
}

function classes(column) {
  return [column.number ? "number" : "", column.wide ? "wide" : "", column.className ?? ""].join(" ").trim() || null;
}

/** Sort rows by a value, numbers before texts, and what has none last whatever the direction is. */
export function sortBy(rows, value, descending = false) {
  const keys = rows.map(value);
  const ranks = rankTexts(keys);
  const places = rows.map((_, at) => at);
  const turn = descending ? -1 : 1;
  places.sort((a, b) => {
    const [x, y] = [keys[a], keys[b]];
    const [noX, noY] = [isNothing(x), isNothing(y)];
    if (noX || noY) return noX - noY || a - b;
    const [numberX, numberY] = [typeof x === "number", typeof y === "number"];
    if (numberX !== numberY) return numberX ? -1 : 1;
    const sign = numberX ? x - y || (x < y ? -1 : x > y ? 1 : 0) : ranks.get(x) - ranks.get(y);
    return turn * sign || a - b;
  });
  return places.map((at) => rows[at]);
}

function isNothing(value) {
  return value === undefined || value === null || Number.isNaN(value);
}

/** Number texts in their order, so that equal ones are compared once. */
function rankTexts(keys) {
  const texts = [...new Set(keys.filter((key) => !isNothing(key) && typeof key !== "number"))];
  const written = new Map(texts.map((key) => [key, String(key)]));
  texts.sort((a, b) => compareTexts(written.get(a), written.get(b)));
  return new Map(texts.map((key, at) => [key, at]));
}
