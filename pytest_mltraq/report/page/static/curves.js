// The curves of sequences: those of chosen runs over each other.

import { curve } from "./data.js";
import { choice, el, newId, replace, toggle } from "./dom.js";
import { number } from "./format.js";
import { runLabel } from "./overview.js";
import { axis, chart, fit, legend, numbers, tips } from "./plot.js";
import { link, note, place } from "./router.js";
import { Table } from "./table.js";
import { seriesLook } from "./theme.js";

const HEIGHT = 360;
const USUAL = 8;
const MOST = 40;
const ROW = "row";
const SECONDS = "seconds";
const JUDGED = /loss|accuracy|error|score|auc|f1/i;

/** Return the columns of sequences that have curves. */
export function sequences(experiment) {
  return experiment.columns.filter((column) => column.kind === "other" && column.values.some((value) => value && Number.isInteger(value.curve)));
}

/** Show the curves of the picked runs; where none is picked, of the first ones. */
export function curves(experiment, selection) {
  const found = new Curves(experiment, selection, sequences(experiment), () => chosen(selection));
  selection.follow(() => found.refresh());
  return found.parts;
}

/** Show the curves of one run. */
export function curvesOf(experiment, run) {
  const columns = sequences(experiment).filter((column) => Number.isInteger(column.values[run]?.curve));
  return columns.length ? new Curves(experiment, null, columns, () => [run]).parts : null;
}

function chosen(selection) {
  return selection.picked.size ? [...selection.picked] : selection.runs;
}

class Curves {
  constructor(experiment, selection, columns, runs) {
    Object.assign(this, { experiment, selection, columns, runs });
    const names = place();
    this.column = columns.find(({ key }) => key === names.sequence) ?? columns[0];
    this.smoothing = Number(names.smooth ?? 0) || 0;
    this.logs = { x: names.xlog === "1", y: names.ylog === "1" };
    this.tools = el("div", { class: "tools" });
    this.keys = el("div");
    this.note = el("p", { class: "muted" });
    this.made = chart("", HEIGHT, (found) => this.options(found));
    this.parts = [this.tools, this.made.element, this.keys, this.note, this.table()];
    this.choose(names.yaxis, names.xaxis);
  }

  /** Choose what is drawn against what. */
  choose(y, x) {
    const names = this.names();
    const grows = names.filter((name) => name !== SECONDS && this.grows(name));
    const values = names.filter((name) => name !== SECONDS && !grows.includes(name));
    this.y = names.includes(y) ? y : ([...values, ...grows].find((name) => JUDGED.test(name)) ?? values[0] ?? names[0]);
    this.x = x === ROW || (names.includes(x) && x !== this.y) ? x : (grows.find((name) => name !== this.y) ?? ROW);
    this.drawTools();
    this.refresh();
  }

  /** Whether a column only grows, as the number of an epoch does, in the first curve that has it. */
  grows(name) {
    const run = this.withCurves(this.runs()).find((found) => name in this.curve(found).columns);
    return this.curve(run).columns[name].every((value, at, all) => at === 0 || value > all[at - 1]);
  }

  names() {
    const found = new Set();
    for (const run of this.withCurves(this.runs()).slice(0, MOST)) for (const name of Object.keys(this.curve(run).columns)) found.add(name);
    return [...found];
  }

  withCurves(runs) {
    return runs.filter((run) => Number.isInteger(this.column.values[run]?.curve));
  }

  curve(run) {
    return curve(this.column.values[run].curve);
  }

  drawTools() {
    const set = (name) => (value) => {
      this[name] = value;
      note({ [`${name}axis`]: value });
      this.refresh();
    };
    const names = this.names();
    const id = newId();
    const smooth = el("input", { type: "range", id, min: 0, max: 0.98, step: 0.02, Value: String(this.smoothing), on: { input: () => this.smooth(Number(smooth.value)) } });
    const log = (which) => toggle(`log ${which}`, this.logs[which], (on) => {
      this.logs[which] = on;
      note({ [`${which}log`]: on ? "1" : "" });
      this.refresh();
    });
    replace(
      this.tools,
      this.columns.length > 1 ? choice("Sequence", this.columns.map(({ key, name }) => [key, name]), this.column.key, (key) => {
        this.column = this.columns.find((column) => column.key === key);
        note({ sequence: key });
        this.choose();
      }) : null,
      choice("y", names.map((name) => [name, name]), this.y, set("y")),
      choice("x", [[ROW, "row"], ...names.map((name) => [name, name])], this.x, set("x")),
      log("x"),
      log("y"),
      el("span", { class: "control" }, el("label", { for: id }, "Smoothing"), smooth),
      el("button", { type: "button", on: { click: () => this.made.redraw() } }, "Reset zoom"),
    );
  }

  smooth(weight) {
    this.smoothing = weight;
    note({ smooth: weight || "" });
    this.refresh();
  }

  refresh() {
    const all = this.withCurves(this.runs());
    if (this.y === undefined && all.length) return this.choose(); // there were none before
    for (const part of [this.tools, this.made.element, this.details]) part.hidden = !all.length;
    const most = this.selection && !this.selection.picked.size ? USUAL : MOST;
    this.shown = all.slice(0, most);
    this.lines = this.shown.map((run) => this.line(run)).filter(Boolean);
    this.made.element.setAttribute("aria-label", `${this.y} against ${this.x} of ${number(this.lines.length)} runs`);
    this.made.redraw();
    this.drawKeys(all.length);
    if (this.details.open) this.drawTable();
  }

  line(run) {
    const { columns, places } = this.curve(run);
    const y = columns[this.y];
    const x = this.x === ROW ? places : columns[this.x];
    return x && y ? { run, x, y } : null;
  }

  options(found) {
    const { x: logX, y: logY } = this.logs;
    const isShown = (value, log) => Number.isFinite(value) && (!log || value > 0);
    const tables = this.lines.map(({ x, y }) => {
      const smooth = average(y, this.smoothing);
      const order = x.map((_, at) => at).filter((at) => isShown(x[at], logX));
      order.sort((a, b) => x[a] - x[b]);
      const kept = order.filter((at, place) => place === 0 || x[at] !== x[order[place - 1]]);
      return [kept.map((at) => x[at]), kept.map((at) => (isShown(smooth[at], logY) ? smooth[at] : null))];
    });
    const data = tables.length ? globalThis.uPlot.join(tables, tables.map((table) => table.map(() => 1))) : [[0], [null]];
    const series = this.lines.map((_, at) => {
      const look = seriesLook(at);
      return { stroke: look.stroke, dash: look.dash, width: 1.6, spanGaps: true, points: { show: tables[at][0].length < 40, size: 4, fill: look.stroke } };
    });
    return {
      data,
      options: {
        scales: { x: { time: false, distr: logX ? 3 : 1 }, y: { distr: logY ? 3 : 1 } },
        axes: [axis(found, this.x, numbers, { size: 30 }), axis(found, this.y, numbers, { size: fit })],
        series: [{}, ...(series.length ? series : [{}])],
        focus: { alpha: 0.25 },
        cursor: { focus: { prox: 24 }, drag: { x: true, y: true, uni: 30 }, points: { size: 8 } },
        plugins: [tips((at, line) => this.tip(data, at, line))],
      },
    };
  }

  tip(data, at, line) {
    const found = this.lines[line - 1];
    if (!found) return null;
    return [el("div", {}, `${this.y} `, el("strong", {}, number(data[line][at])), this.smoothing ? " (smoothed)" : ""), el("div", {}, `${this.x} ${number(data[0][at])}`), el("div", { class: "muted" }, runLabel(this.experiment, found.run))];
  }

  drawKeys(total) {
    const { experiment } = this;
    const items = this.lines.map(({ run }, at) => ({ name: runLabel(experiment, run).replace(`${experiment.name} · `, ""), look: seriesLook(at), href: link({ experiment: experiment.name, run: experiment.own.id[run] }) }));
    replace(this.keys, this.selection ? legend(items, (at) => this.made.plot()?.setSeries(at === null ? null : at + 1, { focus: at !== null })) : null);
    const thinned = this.shown.filter((run) => this.curve(run).places.length < this.curve(run).rows).length;
    const said = [];
    if (!total) said.push("None of these runs has a curve.");
    if (this.selection && this.lines.length < total) said.push(`${number(this.lines.length)} of ${number(total)} runs: tick runs in the table below to choose.`);
    if (thinned) said.push("Some points are left out for size; the shape of each curve is kept.");
    this.note.textContent = said.join(" ");
    this.note.hidden = !said.length;
  }

  /** The numbers of the curves, for those who don't see them. */
  table() {
    this.details = el("details", { class: "more no-print" }, el("summary", {}, "Numbers"));
    this.details.addEventListener("toggle", () => this.details.open && this.drawTable());
    return this.details;
  }

  drawTable() {
    const rows = this.lines.map(({ run, y }) => {
      const known = y.filter((value) => Number.isFinite(value));
      return { run, n: this.curve(run).rows, first: known[0], last: known[known.length - 1], least: Math.min(...known), most: Math.max(...known) };
    });
    const value = (key, title) => ({ key, title, number: true, value: (row) => row[key], cell: (row) => number(row[key]) });
    const table = new Table({
      caption: `${this.y} of each run`,
      noun: "run",
      rows,
      columns: [{ key: "run", title: "Run", cell: (row) => runLabel(this.experiment, row.run) }, value("n", "Rows"), value("first", "First"), value("last", "Last"), value("least", "Least"), value("most", "Most")],
    });
    while (this.details.children.length > 1) this.details.lastChild.remove();
    this.details.append(table.element);
  }
}

/**
 * Smooth values by an exponential moving average, corrected for its start.
 *
 * Source: D. Kingma and J. Ba, Adam, 2014 (arXiv 1412.6980), section 3: the correction; TensorBoard smooths in the same way.
 */
export function average(values, weight) {
  if (!weight) return values;
  let [sum, share] = [0, 0];
  return values.map((value) => {
    if (!Number.isFinite(value)) return value;
    sum = weight * sum + (1 - weight) * value;
    share = weight * share + (1 - weight);
    return sum / share;
  });
}
