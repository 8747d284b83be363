// What the page shows: the JSON that Python wrote into it (see `content.py`), with its columns decoded when they are first needed.

/** A value that is shown by its text: a list, an array, a table, a long text, an image, a sequence. */
class More {
  constructor({ type, text, image, curve }) {
    this.type = type;
    this.text = text;
    this.label = text.length > 40 || text.includes("\n") || !text ? type : text;
    this.image = image === undefined ? null : raw.images[image];
    this.curve = curve === undefined ? null : curve;
  }
}

const raw = JSON.parse(document.getElementById("data").textContent);
const more = raw.more.map((item) => new More(item));
const curves = new Map();

/** Return the value of a cell: undefined where there is none, null for None. */
function cell(value) {
  if (value === null) return undefined;
  if (!Array.isArray(value)) return value;
  const [kind, at] = value;
  return { None: null, nan: NaN, inf: Infinity, "-inf": -Infinity, more: more[at] }[kind];
}

/** Return the values of a column; `n` is how many there are. */
function column(encoded, n) {
  if ("hex" in encoded) return ids(encoded);
  if (encoded.all) return encoded.all.map(cell);
  const distinct = (encoded.of ?? []).map(cell);
  return encoded.at ? encoded.at.map((at) => distinct[at]) : new Array(n).fill(distinct[0]);
}

function ids({ head, hex, n }) {
  const length = hex.length / n;
  return Array.from({ length: n }, (_, at) => {
    const digits = head + hex.slice(at * length, (at + 1) * length);
    return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join("-");
  });
}

function rows(columns, n) {
  const names = Object.keys(columns);
  const values = names.map((name) => column(columns[name], n));
  return Array.from({ length: n }, (_, at) => Object.fromEntries(names.map((name, place) => [name, values[place][at]])));
}

function height(columns) {
  for (const encoded of Object.values(columns)) {
    if (encoded.all) return encoded.all.length;
    if (encoded.at) return encoded.at.length;
    if (encoded.hex) return encoded.n;
  }
  return Object.keys(columns).length ? 1 : 0;
}

/** Read a document that may be damaged. */
function json(text, empty) {
  try {
    return text ? JSON.parse(text) : empty;
  } catch {
    return empty;
  }
}

function session(row, at) {
  return {
    ...row,
    at,
    label: row.commit ? row.commit.slice(0, 8) : row.id.slice(0, 13), // an id begins with its millisecond
    started: Date.parse(row.started_at.replace(" ", "T")),
    finished: row.finished_at ? Date.parse(row.finished_at.replace(" ", "T")) : undefined,
    tags: row.tags ? row.tags.split("\n") : [],
    ci: json(row.ci, null),
    packages: raw.sessions.packages[row.packages],
    versions: [],
    verdicts: [],
    outcomes: {},
  };
}

/** A version of an experiment: what one session stored of it. */
class Version {
  constructor(experiment, at, encoded) {
    Object.assign(this, encoded);
    this.experiment = experiment;
    this.at = at;
    this.session = sessions[encoded.session];
    this.code = encoded.code.map((place) => raw.code[place]);
    this.config = named(encoded.config);
    this.fields = named(encoded.fields);
    this.total = Object.values(encoded.outcomes).reduce((sum, n) => sum + n, 0);
    this.session.versions.push(this);
    for (const [outcome, n] of Object.entries(encoded.outcomes)) {
      this.session.outcomes[outcome] = (this.session.outcomes[outcome] ?? 0) + n;
    }
  }
}

function named(cells) {
  return Object.entries(cells).map(([name, value]) => [name, cell(value)]);
}

/** A column of the runs of an experiment. */
class Column {
  constructor(key, name, source, values) {
    this.key = key;
    this.name = name;
    this.source = source;
    this.values = values;
  }

  /** What its values are: `number`, `text`, or `other` where they can only be looked at. */
  get kind() {
    return once(this, "kind", () => {
      let kind = null;
      for (const value of this.values) {
        if (value === undefined || value === null) continue;
        const found = typeof value === "number" ? "number" : typeof value === "object" ? "other" : "text";
        kind = kind === null || kind === found ? found : kind === "other" || found === "other" ? "other" : "text";
      }
      return kind ?? "text";
    });
  }

  /** Whether it has two different values. */
  get varies() {
    return once(this, "varies", () => this.values.some((value) => value !== this.values[0] && !(Number.isNaN(value) && Number.isNaN(this.values[0]))));
  }

  /** Its distinct values that are no numbers, sorted. */
  get categories() {
    return once(this, "categories", () => {
      const found = [...new Set(this.values.filter((value) => value !== undefined && typeof value !== "object"))];
      return found.sort((a, b) => (typeof a === "number" && typeof b === "number" ? a - b : compareTexts(String(a), String(b))));
    });
  }
}

const COLLATOR = new Intl.Collator("en", { numeric: true });

/** Compare texts as people sort them; numbers in them by their size. */
export function compareTexts(a, b) {
  return COLLATOR.compare(a, b);
}

/** Compute a property once. */
function once(object, name, compute) {
  const value = compute();
  Object.defineProperty(object, name, { value });
  return value;
}

const OWN = ["outcome", "started", "duration", "position", "seed", "attempts", "worker", "nodeid"];
const TITLES = { started: "started", duration: "duration [s]", nodeid: "node id" };

/** An experiment with its versions, the oldest first. */
class Experiment {
  constructor(encoded) {
    this.name = encoded.name;
    this.nodeid = encoded.nodeid;
    this.doc = encoded.doc ?? "";
    this.over = encoded.over;
    this.metrics = encoded.metrics.filter((metric) => typeof metric.name === "string");
    this.encoded = encoded;
    this.n = encoded.runs.n;
    this.versions = encoded.versions.map((version, at) => new Version(this, at, version));
    this.newest = this.versions[this.versions.length - 1];
  }

  /** What is known of each listed run beside params and fields, by name. */
  get own() {
    return once(this, "own", () => {
      const found = {};
      for (const [name, encoded] of Object.entries(this.encoded.runs.own)) found[name] = column(encoded, this.n);
      found.id = column(this.encoded.runs.id, this.n);
      found.started = (found.started ?? []).map((ms) => (ms === undefined ? undefined : ms + this.encoded.runs.begin));
      return found;
    });
  }

  /** The columns of params and fields. */
  get columns() {
    return once(this, "columns", () => {
      const counts = Object.create(null);
      for (const { name } of this.encoded.columns) counts[name] = (counts[name] ?? 0) + 1;
      return this.encoded.columns.map((encoded) => {
        const name = counts[encoded.name] > 1 ? `${encoded.source}.${encoded.name}` : encoded.name;
        return new Column(`${encoded.source}.${encoded.name}`, name, encoded.source, column(encoded, this.n));
      });
    });
  }

  /** Columns of what every run has. */
  get ownColumns() {
    return once(this, "ownColumns", () => [
      ...OWN.filter((name) => this.own[name]).map((name) => new Column(name, TITLES[name] ?? name, "own", this.own[name])),
      new Column("session", "session", "own", (this.own.version ?? []).map((at) => this.versions[at].session.label)),
    ]);
  }

  /** Find a column of params, fields or own ones by its key. */
  column(key) {
    return [...this.columns, ...this.ownColumns].find((found) => found.key === key);
  }

  /** The params of each group: pairs of name and value. */
  get groups() {
    return once(this, "groups", () => {
      const { n, params } = this.encoded.groups;
      const names = Object.keys(params);
      const values = names.map((name) => column(params[name], n));
      return Array.from({ length: n }, (_, at) => names.map((name, place) => [name, values[place][at]]).filter(([, value]) => value !== undefined));
    });
  }

  /** The names of the metrics that have a history, declared ones first. */
  get tracked() {
    return Object.keys(this.encoded.history);
  }

  /** The history of a metric: rows of group, version, n, mean and sd; the group -1 is all runs. */
  history(metric) {
    this.histories ??= new Map();
    if (!this.histories.has(metric)) {
      const encoded = this.encoded.history[metric];
      this.histories.set(metric, encoded ? rows(encoded, height(encoded)) : []);
    }
    return this.histories.get(metric);
  }

  /** The change points of a metric, by group: rows of group, version, before, after and p. */
  changes(metric) {
    return this.encoded.changes?.[metric] ?? [];
  }

  /** What was declared of a metric. */
  metric(name) {
    return this.metrics.find((metric) => metric.name === name);
  }

  /** The steps of a listed run: their names and durations [s]. */
  steps(run) {
    const names = this.own.chain[run] ? this.own.chain[run].split("\n") : [];
    return names.map((name, at) => ({ name, seconds: this.encoded.runs.times[run][at] }));
  }

  /** The error of a listed run, or null. */
  error(run) {
    return raw.errors[this.own.error[run]] ?? null;
  }

  /** Find a listed run by its id; with the session that stored it, where several versions have it. */
  find(id, idSession) {
    const found = this.own.id.reduce((places, value, at) => (value === id ? [...places, at] : places), []);
    return found.find((at) => this.versions[this.own.version[at]].session.id === idSession) ?? found[found.length - 1];
  }
}

/** Return the rows of a curve: their places in the sequence, and numbers by column. */
export function curve(at) {
  if (!curves.has(at)) {
    const encoded = raw.curves[at];
    let place = 0;
    const places = encoded.at ? encoded.at.map((step) => (place += step)) : Array.from({ length: encoded.rows }, (_, row) => row);
    const columns = Object.create(null); // a column may be called `__proto__`
    for (const [name, values] of Object.entries(encoded.columns)) columns[name] = floats(values, places);
    curves.set(at, { rows: encoded.rows, places, columns });
  }
  return curves.get(at);
}

function floats(encoded, places) {
  if (typeof encoded !== "string") return places.map((place) => encoded.from + place * encoded.by);
  const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
  return Array.from(new Float32Array(bytes.buffer));
}

/** All sessions of the page, the newest first. */
export const sessions = rows(raw.sessions.rows, height(raw.sessions.rows)).map(session);

/** All experiments, by name. */
export const experiments = raw.experiments.map((encoded) => new Experiment(encoded)).sort((a, b) => compareTexts(a.name, b.name));

const ORDER = ["regressed", "missing", "undecided", "new", "improved", "unchanged"];

/** All verdicts, what regressed first. */
export const verdicts = rows(raw.verdicts, height(raw.verdicts)).map((row) => ({
  ...row,
  params: Object.entries(json(row.params, {})),
  details: json(row.details, {}),
  session: sessions[row.session],
  baseline: sessions[row.baseline_at],
}));
verdicts.sort((a, b) => Number(b.fails) - Number(a.fails) || ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict));
for (const verdict of verdicts) verdict.session.verdicts.push(verdict);

/** What is said of the page itself. */
export const about = { database: raw.database, generated: Date.parse(raw.generated), program: raw.program, leftOut: raw.left_out };

/** Find an experiment by its name. */
export function findExperiment(name) {
  return experiments.find((experiment) => experiment.name === name);
}

/** Find a session by its id. */
export function findSession(id) {
  return sessions.find((found) => found.id === id);
}
