// The table of an experiment's runs: filtered, sorted, with chosen columns, and collapsed over replicates.

import { checklist, choice, el, replace, toggle } from "./dom.js";
import { count, duration, meanText, number, text, time } from "./format.js";
import { outcomeName, shares, sign } from "./marks.js";
import { link, note, place } from "./router.js";
import { Table } from "./table.js";

const COLUMNS = 10;
const HELP = "A word looks in all texts; name>1, name<=2, name:text and name=value look in a column. All of them must hold.";

/** Show the runs; returns the element. */
export function runsPanel(experiment, selection) {
  return new RunsPanel(experiment, selection).element;
}

class RunsPanel {
  constructor(experiment, selection) {
    this.experiment = experiment;
    this.selection = selection;
    const names = place();
    this.possible = [...experiment.columns, ...experiment.ownColumns.filter(({ key }) => key !== "outcome")];
    this.shown = new Set(names.columns?.split(",") ?? this.usual());
    this.over = experiment.columns.filter(({ source, name }) => source === "params" && experiment.over.includes(name));
    const usuallyGrouped = this.over.some(({ varies }) => varies) && experiment.groups.length < experiment.n;
    this.isGrouped = names.grouped ? names.grouped === "1" : usuallyGrouped;
    this.opened = new Set();
    this.query = el("input", {
      type: "search",
      class: "query",
      placeholder: "Filter: a word, or accuracy>0.9",
      "aria-label": "Filter runs",
      title: HELP,
      Value: names.filter ?? "",
      on: { input: () => this.filter() },
    });
    this.complaint = el("span", { class: "complaint", role: "alert" });
    this.count = el("span", { class: "muted", role: "status" });
    this.chips = el("span", { class: "tools" });
    this.table = new Table({
      caption: `Runs of ${experiment.name}`,
      noun: "run",
      columns: [],
      rows: [],
      sort: names.sort,
      sorted: (sort) => note({ sort }),
      rowClass: (row) => (row.member ? "member" : selection.picked.has(row.run) ? "picked" : null),
      under: (row) => (row.runs && this.opened.has(row.group) ? row.runs.map((run) => this.table.drawRow({ run, member: true })) : null),
    });
    this.table.scroller.classList.add("tall");
    this.element = el(
      "section",
      { class: "runs" },
      el("h2", {}, "Runs"),
      el(
        "div",
        { class: "tools" },
        this.query,
        this.versions(),
        this.over.length ? toggle(`Collapse over ${this.over.map(({ name }) => name).join(", ")}`, this.isGrouped, (on) => this.group(on)) : null,
        checklist("Columns", this.possible.map(({ key, name, source }) => ({ key, text: source === "own" ? `(${name})` : name, checked: this.shown.has(key) })), (key, on) => this.show(key, on)),
        this.count,
        this.chips,
        this.complaint,
      ),
      this.table.element,
    );
    selection.listen((what) => (what === "runs" ? this.refresh() : this.table.drawBody()));
    if (this.query.value) this.filter();
    else this.refresh();
  }

  /** The columns that are shown first: params that vary, metrics, other short values. */
  usual() {
    const { experiment } = this;
    const declared = new Set(experiment.metrics.map((metric) => metric.name));
    const params = experiment.columns.filter(({ source, varies }) => source === "params" && varies);
    const fields = experiment.columns.filter(({ source }) => source === "fields").sort((a, b) => declared.has(b.name) - declared.has(a.name));
    const short = fields.filter(({ kind }) => kind !== "other");
    const images = fields.filter(({ kind, values }) => kind === "other" && values.some((value) => value?.image));
    return [...params.slice(0, COLUMNS - 2), ...short.slice(0, Math.max(3, COLUMNS - params.length)), ...images.slice(0, 2)].map(({ key }) => key).concat("duration");
  }

  versions() {
    const { experiment, selection } = this;
    const listed = experiment.versions.filter((version) => version.listed);
    if (listed.length < 2) return null;
    const options = [...listed.reverse().map((version) => [String(version.at), `${version.session.label} · ${time(version.session.started)}`]), ["all", `all (${number(listed.length)})`]];
    return choice("Session", options, selection.version === null ? "all" : String(selection.version), (value) => {
      note({ session: value === "all" ? "all" : experiment.versions[Number(value)].session.id });
      selection.setVersion(value === "all" ? null : Number(value));
    });
  }

  filter() {
    this.complaint.textContent = this.selection.setQuery(this.query.value);
    note({ filter: this.query.value });
  }

  group(on) {
    this.isGrouped = on;
    note({ grouped: on ? "1" : "0" });
    this.refresh();
  }

  show(key, on) {
    if (on) this.shown.add(key);
    else this.shown.delete(key);
    note({ columns: [...this.shown].join(",") });
    this.refresh();
  }

  refresh() {
    const { runs, all } = this.selection;
    const rows = this.isGrouped ? this.groups(runs) : runs.map((run) => ({ run }));
    this.table.update({ columns: this.columns(), rows, noun: this.isGrouped ? "group" : "run" });
    this.count.textContent = runs.length === all.length ? count(all.length, "run") : `${number(runs.length)} of ${count(all.length, "run")}`;
    this.drawChips();
  }

  drawChips() {
    const { selection, experiment } = this;
    const chips = [...selection.ranges].map(([key, range]) => {
      const said = range.values ? [...range.values].map(text).join(", ") || "none" : [Number.isFinite(range.low) ? `≥ ${number(range.low, 3)}` : "", Number.isFinite(range.high) ? `≤ ${number(range.high, 3)}` : ""].join(" ");
      const label = `${experiment.column(key).name} ${said}`;
      return el("button", { type: "button", class: "chip", "aria-label": `give up ${label}`, on: { click: () => selection.setRange(key, null) } }, label, el("span", { "aria-hidden": "true" }, "✕"));
    });
    const isFiltered = selection.ranges.size || selection.query;
    const clear = () => {
      this.query.value = "";
      note({ filter: "" });
      this.complaint.textContent = "";
      selection.clear();
    };
    replace(this.chips, chips, isFiltered ? el("button", { type: "button", on: { click: clear } }, "Show all") : null);
  }

  groups(runs) {
    const found = new Map();
    for (const run of runs) {
      const version = this.selection.version === null ? this.experiment.own.version[run] : 0;
      const key = `${version} ${this.experiment.own.group[run]}`;
      if (!found.has(key)) found.set(key, { group: key, runs: [] });
      found.get(key).runs.push(run);
    }
    return [...found.values()];
  }

  columns() {
    const own = this.possible.filter(({ key, name, source }) => this.shown.has(key) && !(this.isGrouped && source === "params" && this.experiment.over.includes(name) && !this.opened.size));
    return [this.pickColumn(), this.runColumn(), ...own.map((column) => this.valueColumn(column))];
  }

  pickColumn() {
    const { selection } = this;
    const members = (row) => row.runs ?? [row.run];
    const box = (runs, label) =>
      el("input", { type: "checkbox", "aria-label": label, Checked: runs.length > 0 && runs.every((run) => selection.picked.has(run)), on: { change: (event) => selection.pick(runs, event.target.checked) } });
    return {
      key: "pick",
      title: "",
      className: "pick",
      head: el("span", { title: "Ticked runs are marked in charts, and their curves are shown" }, el("span", { class: "hidden" }, "Picked")),
      cell: (row) => box(members(row), row.runs ? `pick ${row.runs.length} runs` : `pick run ${this.experiment.own.position[row.run] + 1}`),
    };
  }

  runColumn() {
    const { own, name } = this.experiment;
    const cell = (row) => {
      if (row.runs) return this.opener(row);
      const { run } = row;
      return el("span", { class: "run" }, sign(outcomeName(own.outcome[run])), el("a", { href: link({ experiment: name, run: own.id[run], session: this.sessionOf(run) }) }, `run ${own.position[run] + 1}`));
    };
    return { key: "outcome", title: "Run", value: (row) => (row.runs ? row.runs.length : outcomeName(own.outcome[row.run])), cell };
  }

  sessionOf(run) {
    const version = this.experiment.versions[this.experiment.own.version[run]];
    return version === this.experiment.newest ? null : version.session.id;
  }

  opener(row) {
    const isOpen = this.opened.has(row.group);
    const counts = {};
    for (const run of row.runs) counts[this.experiment.own.outcome[run] ?? ""] = (counts[this.experiment.own.outcome[run] ?? ""] ?? 0) + 1;
    const click = () => {
      if (isOpen) this.opened.delete(row.group);
      else this.opened.add(row.group);
      const { page } = this.table;
      const at = [...this.table.body.querySelectorAll("button.opener")].findIndex((button) => button.dataset.group === row.group);
      this.table.columns = this.columns();
      this.table.drawHead();
      this.table.page = page;
      this.table.drawBody();
      this.table.body.querySelectorAll("button.opener")[at]?.focus({ preventScroll: true });
    };
    return el("button", { type: "button", class: "opener", "aria-expanded": String(isOpen), data: { group: row.group }, on: { click } }, el("span", { class: "arrow-right", "aria-hidden": "true" }), shares(counts));
  }

  valueColumn(column) {
    const isNumber = column.kind === "number";
    const write = { started: time, duration: (value) => (value === undefined ? "" : duration(value)) }[column.key] ?? show;
    const of = (row) => (row.runs ? summary(column, row.runs) : { value: column.values[row.run], shown: write(column.values[row.run]) });
    const isSorted = column.kind !== "other";
    return {
      key: column.key,
      title: column.name,
      hint: column.source === "own" ? null : column.source,
      number: isNumber && column.key !== "started",
      value: isSorted ? (row) => of(row).value : null,
      cell: (row) => of(row).shown,
    };
  }
}

/** Show a value in a table. */
function show(value) {
  if (value && typeof value === "object") {
    return value.image ? picture(value) : el("span", { class: "muted", title: value.text.slice(0, 400) }, value.label);
  }
  return value === null ? el("span", { class: "muted" }, "None") : text(value);
}

/** Show an image, small. */
function picture(value) {
  return el("img", { class: "thumb", alt: value.type, src: `data:${value.image.type};base64,${value.image.data}` });
}

/** Sum up a column over replicates: the mean of numbers, the one value that all have, or how many there are. */
function summary({ kind, key, values }, runs) {
  const known = runs.map((run) => values[run]).filter((value) => value !== undefined);
  if (!known.length) return { value: undefined, shown: "" };
  if (known.every((value) => value === known[0])) return { value: typeof known[0] === "object" ? undefined : known[0], shown: key === "started" ? time(known[0]) : key === "duration" ? duration(known[0]) : show(known[0]) };
  if (kind !== "number") return { value: undefined, shown: el("span", { class: "muted" }, `${new Set(known).size} different`) };
  const numbers = known.filter((value) => typeof value === "number");
  const mean = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
  const sd = Math.sqrt(numbers.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (numbers.length - 1));
  return { value: mean, shown: key === "started" ? time(mean) : key === "duration" ? duration(mean) : meanText(mean, sd) };
}
