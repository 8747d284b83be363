// The history of each metric over sessions: a line for each group of params, with what it is compared with, where it changed, and commits.

import { choice, el } from "./dom.js";
import { day, meanText, number, text, time } from "./format.js";
import { sessionLink } from "./marks.js";
import { axis, chart, fit, legend, nearest, numbers, tips } from "./plot.js";
import { go, link, note, place } from "./router.js";
import { Table } from "./table.js";
import { seriesLook } from "./theme.js";
import { findGroup, toleranceOf } from "./verdicts.js";

const HEIGHT = 230;
const LINES = 16;
const ALL = -1;

/** Show the history of the metrics of an experiment. */
export function history(experiment) {
  const { tracked } = experiment;
  if (!tracked.length) return el("p", { class: "muted" }, "No run has a number as a field.");
  return new Histories(experiment).parts;
}

class Histories {
  constructor(experiment) {
    this.experiment = experiment;
    const groups = new Set(experiment.tracked.flatMap((name) => experiment.history(name).map((row) => row.group)));
    this.groups = [...groups].filter((group) => group !== ALL).sort((a, b) => a - b);
    const asked = place().group;
    this.chosen = asked !== undefined && groups.has(Number(asked)) ? Number(asked) : this.groups.length === 1 ? this.groups[0] : null;
    const metric = place().metric;
    const order = [...experiment.tracked].sort((a, b) => (b === metric) - (a === metric));
    this.charts = order.map((name) => this.metricChart(name));
    this.keys = el("div");
    this.parts = [
      el("div", { class: "tools" }, this.groupChoice()),
      el("div", { class: "grid" }, this.charts.map(({ figure }) => figure)),
      this.keys,
      el("p", { class: "hint no-print" }, "A point is the mean over the replicates in a session; a click shows the session. Drag to zoom, double-click to see all."),
    ];
    this.drawKeys();
  }

  name(group) {
    return group === ALL ? "all runs" : this.experiment.groups[group].map(([name, value]) => `${name} ${text(value)}`).join(" · ") || "all runs";
  }

  groupChoice() {
    if (this.groups.length < 2) return null;
    const options = [["", this.groups.length > LINES ? `all (mean over ${number(this.groups.length)} groups)` : "all groups"], ...this.groups.map((group) => [String(group), this.name(group)])];
    return choice("Params", options, this.chosen === null ? "" : String(this.chosen), (value) => {
      this.chosen = value === "" ? null : Number(value);
      note({ group: value });
      for (const { redraw } of this.charts) redraw();
      this.drawKeys();
    });
  }

  /** The groups that have lines: the chosen one and, behind it, the others while they can be told apart. */
  lines() {
    if (this.groups.length <= LINES) return this.groups;
    return this.chosen === null ? [ALL] : [this.chosen];
  }

  drawKeys() {
    const lines = this.lines();
    this.keys.replaceChildren();
    if (lines.length > 1) this.keys.append(legend(lines.map((group, at) => ({ name: this.name(group), look: seriesLook(at) }))));
  }

  metricChart(name) {
    const { experiment } = this;
    const declared = experiment.metric(name);
    const label = `History of ${name} over ${experiment.versions.length} sessions`;
    const made = chart(label, HEIGHT, (found, width) => this.options(name, found, width));
    made.element.addEventListener("click", () => {
      const u = made.plot();
      const point = u && !u.select.width && nearest(u);
      if (point) go({ session: experiment.versions[point.at].session.id });
    });
    const title = el("h3", {}, name, declared ? el("span", { class: "muted" }, declared.direction === "minimize" ? " smaller is better" : " larger is better") : null);
    this.said ??= new Map();
    const said = el("figcaption", { class: "muted" });
    this.said.set(name, said);
    const figure = el("figure", { class: "card" }, title, made.element, said, this.table(name));
    return { figure, redraw: made.redraw };
  }

  options(name, found, width) {
    const { experiment } = this;
    const { versions } = experiment;
    const lines = this.lines();
    const data = [versions.map((_, at) => at), ...lines.map((group) => this.means(name, group))];
    const only = this.chosen ?? (lines.length === 1 ? lines[0] : null);
    const around = only === null ? null : this.around(name, only);
    const changed = this.changes(name, only).length ? "▼: the level changed." : "";
    const isEmpty = data.slice(1).every((line) => line.every((value) => value === null));
    this.said.get(name).textContent = [isEmpty ? "No session has a finite mean." : null, around?.said, changed].filter(Boolean).join(" ");
    const series = lines.map((group, at) => {
      const look = lines.length === 1 ? { stroke: found.series[0], dash: [] } : seriesLook(at);
      const isBehind = only !== null && group !== only;
      return { label: this.name(group), spanGaps: true, width: isBehind ? 1 : 2, alpha: isBehind ? 0.25 : 1, stroke: look.stroke, dash: look.dash, points: { show: !isBehind, size: 6, fill: look.stroke } };
    });
    const range = (u, low, high) => extent([low, high, ...(around?.extent ?? [])]);
    return {
      data,
      options: {
        scales: { x: { time: false, range: (u, low, high) => [Math.min(low, high - 1) - 0.4, high + 0.4] }, y: { range } },
        axes: [
          axis(found, null, (u, splits) => splits.map((at) => (Number.isInteger(at) && versions[at] ? tick(versions[at].session) : "")), {
            splits: (u) => places(u, versions.length, width),
            size: 24,
          }),
          axis(found, null, numbers, { size: fit }),
        ],
        series: [{}, ...series],
        cursor: { points: { size: 9 }, drag: { x: true, y: false } },
        plugins: [tips((at, line) => this.tip(name, lines[line - 1], at)), { hooks: { drawClear: (u) => drawAround(u, around, found), draw: (u) => drawChanges(u, this.changes(name, only), found) } }],
      },
    };
  }

  means(name, group) {
    const values = new Array(this.experiment.versions.length).fill(null);
    for (const row of this.experiment.history(name)) if (row.group === group && Number.isFinite(row.mean)) values[row.version] = row.mean;
    return values;
  }

  changes(name, group) {
    return this.experiment.changes(name).filter((row) => row.group === (group ?? ALL));
  }

  /** What a group is compared with: the baseline of its newest verdict, else its own earlier sessions. */
  around(name, group) {
    const { experiment } = this;
    const session = experiment.newest.session;
    const verdict = session.verdicts.find((row) => row.experiment === experiment.name && row.metric === name && findGroup(experiment, row) === group);
    if (verdict && Number.isFinite(verdict.baseline_mean)) {
      const mean = verdict.baseline_mean;
      const hasInterval = Number.isFinite(verdict.low) && Number.isFinite(verdict.high);
      const sd = hasInterval ? (verdict.high - verdict.low) / 2 : (verdict.baseline_sd ?? 0);
      const tolerance = toleranceOf(verdict);
      const metric = experiment.metric(name);
      const limit = tolerance === undefined ? null : metric?.direction === "minimize" ? mean + tolerance : mean - tolerance;
      const from = verdict.baseline ? (experiment.versions.find((version) => version.session === verdict.baseline)?.at ?? 0) : 0;
      return { mean, low: mean - sd, high: mean + sd, limit, from, extent: [mean - sd, mean + sd, limit ?? mean], said: `Band: the baseline${hasInterval ? " and what chance may add" : ""}, ${meanText(mean, sd)}${limit === null ? "" : `; dashed: the limit, ${number(limit)}`}.` };
    }
    const changes = this.changes(name, group);
    const from = changes.length ? changes[changes.length - 1].version : 0;
    const earlier = this.means(name, group).slice(from, -1).filter((value) => value !== null);
    if (earlier.length < 3) return null;
    const mean = earlier.reduce((sum, value) => sum + value, 0) / earlier.length;
    const sd = Math.sqrt(earlier.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (earlier.length - 1));
    return { mean, low: mean - 2 * sd, high: mean + 2 * sd, limit: null, from, extent: [mean - 2 * sd, mean + 2 * sd], said: `Band: mean ± 2 sd of ${earlier.length} earlier sessions${from ? " since the last change" : ""}; not judged.` };
  }

  tip(name, group, at) {
    const { experiment } = this;
    const row = experiment.history(name).find((found) => found.group === group && found.version === at);
    if (!row) return null;
    const { session } = experiment.versions[at];
    return [el("div", {}, el("strong", {}, meanText(row.mean, row.sd)), ` n ${row.n}`), el("div", {}, this.name(group)), el("div", { class: "muted" }, `${session.label} · ${session.branch ?? ""} · ${time(session.started)}`)];
  }

  /** The numbers of a chart, for those who don't see it. */
  table(name) {
    const { experiment } = this;
    const details = el("details", { class: "more no-print" }, el("summary", {}, "Numbers"));
    details.addEventListener("toggle", () => {
      if (!details.open || details.children.length > 1) return;
      const rows = [...experiment.history(name)].filter((row) => this.lines().includes(row.group)).reverse();
      details.append(
        new Table({
          caption: `History of ${name}`,
          rows,
          noun: "mean",
          size: 25,
          columns: [
            { key: "session", title: "Session", value: (row) => row.version, cell: (row) => sessionLink(experiment.versions[row.version].session) },
            { key: "started", title: "Started", value: (row) => row.version, cell: (row) => day(experiment.versions[row.version].session.started) },
            { key: "group", title: "Params", value: (row) => this.name(row.group), cell: (row) => this.name(row.group) },
            { key: "n", title: "n", number: true, value: (row) => row.n, cell: (row) => number(row.n) },
            { key: "mean", title: "Mean ± sd", number: true, value: (row) => row.mean, cell: (row) => meanText(row.mean, row.sd) },
          ],
        }).element,
      );
    });
    return details;
  }
}

function tick(session) {
  return session.commit ? session.commit.slice(0, 7) : day(session.started).replace(/ \d{4}$/, "");
}

/** Return the sessions that have a tick: as many as there is room for, the newest among them. */
function places(u, n, width) {
  const low = Math.max(0, Math.ceil(u.scales.x.min));
  const high = Math.min(n - 1, Math.floor(u.scales.x.max));
  const every = Math.max(1, Math.ceil(((high - low + 1) * 58) / Math.max(80, width - 60)));
  const found = [];
  for (let at = high; at >= low; at -= every) found.unshift(at);
  return found;
}

/** Return the range of an axis: that of the values, and a little more. */
function extent(values) {
  const known = values.filter((value) => Number.isFinite(value));
  if (!known.length) return [0, 1];
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const size = Math.max(Math.abs(low), Math.abs(high));
  // Means of the same numbers differ by what rounding makes of them: that is no change to be looked at.
  const room = (high - low > 1e-9 * size ? high - low : size || 1) * 0.08;
  return [low - room, high + room];
}

function drawAround(u, around, found) {
  if (!around) return;
  const { ctx, bbox } = u;
  const x = Math.max(bbox.left, u.valToPos(around.from - 0.3, "x", true));
  const y = (value) => u.valToPos(value, "y", true);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.fillStyle = found.band;
  ctx.fillRect(x, y(around.high), bbox.left + bbox.width - x, y(around.low) - y(around.high));
  ctx.fillStyle = found.link;
  ctx.fillRect(x, y(around.mean), bbox.left + bbox.width - x, devicePixelRatio);
  if (around.limit !== null) {
    ctx.strokeStyle = found.bad;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x, y(around.limit));
    ctx.lineTo(bbox.left + bbox.width, y(around.limit));
    ctx.stroke();
  }
  ctx.restore();
}

function drawChanges(u, changes, found) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.strokeStyle = found.text;
  ctx.fillStyle = found.text;
  ctx.lineWidth = devicePixelRatio;
  for (const { version } of changes) {
    const x = u.valToPos(version - 0.5, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top + 8 * devicePixelRatio);
    ctx.lineTo(x - 5 * devicePixelRatio, bbox.top);
    ctx.lineTo(x + 5 * devicePixelRatio, bbox.top);
    ctx.fill();
  }
  ctx.restore();
}
