// Which runs of an experiment are looked at: of one session or all, filtered by a query and by ranges that were brushed, and picked.

import { text } from "./format.js";

const TERM = /(?:"([^"]*)"|([^\s"<>=!:]+))(?:(<=|>=|!=|=|<|>|:)(?:"([^"]*)"|(\S+)))?/g;

/** The runs that are looked at. Listeners are called with the set of what changed: `runs`, `picked`. */
export class Selection {
  constructor(experiment, version) {
    this.experiment = experiment;
    this.version = version;
    this.query = "";
    this.ranges = new Map();
    this.picked = new Set();
    this.listeners = [];
    this.chart = null;
    this.all = this.ofVersion();
    this.refresh();
  }

  /** Call a listener at each change. */
  listen(listener) {
    this.listeners.push(listener);
  }

  /** Call the listener of the chart that is shown, in the place of an earlier chart's. */
  follow(listener) {
    this.chart = listener;
  }

  /** Look at the runs of one version, or of all (null). */
  setVersion(version) {
    this.version = version;
    this.all = this.ofVersion();
    this.changed();
  }

  ofVersion() {
    const { own, n } = this.experiment;
    const found = [];
    for (let run = 0; run < n; run += 1) if (this.version === null || own.version[run] === this.version) found.push(run);
    return found;
  }

  /** Filter by a query; returns what is wrong with it, or an empty text. */
  setQuery(query) {
    this.query = query;
    this.changed();
    return this.complaint;
  }

  /** Keep the runs whose value of a column is in a range: `{ low, high }` or `{ values }`, a set; null takes the range away. */
  setRange(key, range) {
    if (range === null) this.ranges.delete(key);
    else this.ranges.set(key, range);
    this.changed();
  }

  /** Take query and ranges away. */
  clear() {
    this.query = "";
    this.ranges.clear();
    this.changed();
  }

  /** Pick a run, or not. */
  pick(runs, on) {
    for (const run of runs) {
      if (on) this.picked.add(run);
      else this.picked.delete(run);
    }
    this.tell("picked");
  }

  changed() {
    this.refresh();
    this.tell("runs");
  }

  tell(what) {
    for (const listener of this.listeners) listener(what);
    this.chart?.(what);
  }

  refresh() {
    const { experiment } = this;
    const [tests, complaint] = parse(experiment, this.query);
    this.complaint = complaint;
    for (const [key, range] of this.ranges) tests.push(inRange(experiment.column(key), range));
    this.runs = tests.length ? this.all.filter((run) => tests.every((test) => test(run))) : this.all;
  }
}

function inRange({ values }, range) {
  if (range.values) return (run) => range.values.has(values[run]);
  return (run) => values[run] >= range.low && values[run] <= range.high;
}

/** Read a query: tests that a run must pass, and what is wrong with it. */
function parse(experiment, query) {
  const tests = [];
  let complaint = "";
  for (const [, quotedName, plainName, operator, quotedValue, plainValue] of query.matchAll(TERM)) {
    const name = quotedName ?? plainName;
    const value = quotedValue ?? plainValue;
    if (operator === undefined) {
      tests.push(contains(experiment, name));
      continue;
    }
    const column = find(experiment, name);
    if (column) tests.push(compare(column, operator, value));
    else complaint = `There is no column “${name}”.`;
  }
  return [tests, complaint];
}

function find(experiment, name) {
  const columns = [...experiment.columns, ...experiment.ownColumns];
  const wanted = name.toLowerCase();
  return columns.find((column) => column.name === name || column.key === name) ?? columns.find((column) => column.name.toLowerCase() === wanted);
}

/** Look for a word in the outcome, the node id and every text of a run. */
function contains(experiment, word) {
  const wanted = word.toLowerCase();
  const columns = [...experiment.columns, ...experiment.ownColumns].filter((column) => column.kind !== "number");
  const found = columns.map((column) => {
    const texts = new Map();
    for (const value of column.values) if (!texts.has(value)) texts.set(value, text(value).toLowerCase().includes(wanted));
    return [column.values, texts];
  });
  return (run) => found.some(([values, texts]) => texts.get(values[run]));
}

function compare({ values }, operator, wanted) {
  const size = Number(wanted);
  const low = wanted.toLowerCase();
  const equal = (value) => (typeof value === "number" && !Number.isNaN(size) ? value === size : text(value).toLowerCase() === low);
  return {
    "=": (run) => equal(values[run]),
    "!=": (run) => !equal(values[run]),
    ":": (run) => (typeof values[run] === "number" ? equal(values[run]) : text(values[run]).toLowerCase().includes(low)),
    "<": (run) => values[run] < size,
    "<=": (run) => values[run] <= size,
    ">": (run) => values[run] > size,
    ">=": (run) => values[run] >= size,
  }[operator];
}
