// Verdicts: what was judged, against what, and how sure that is.

import { findExperiment } from "./data.js";
import { el } from "./dom.js";
import { chance, difference, meanText, number, percent, text } from "./format.js";
import { badge, interval, params, sessionLink, sparkline } from "./marks.js";
import { link } from "./router.js";
import { Table } from "./table.js";

/** Make a table of verdicts; those that didn't change are shown when they are asked for. */
export function verdictTable(verdicts) {
  const calm = verdicts.filter((verdict) => verdict.verdict === "unchanged" && !verdict.fails);
  const others = verdicts.filter((verdict) => !calm.includes(verdict));
  const table = tableOf(others.length ? others : verdicts);
  if (!others.length || !calm.length) return table.element;
  const label = (on) => (on ? `Hide the ${number(calm.length)} unchanged` : `Show the ${number(calm.length)} unchanged`);
  let isOpen = false;
  const button = el("button", { type: "button", class: "button no-print", "aria-expanded": "false", on: { click: () => {
    isOpen = !isOpen;
    button.textContent = label(isOpen);
    button.setAttribute("aria-expanded", String(isOpen));
    table.update({ rows: isOpen ? verdicts : others });
  } } }, label(false));
  return [table.element, el("div", {}, button)];
}

function tableOf(verdicts) {
  return new Table({
    caption: "Verdicts on metrics",
    noun: "metric",
    rows: verdicts,
    size: 25,
    rowClass: (verdict) => (verdict.fails ? "fails" : null),
    columns: [
      { key: "verdict", title: "Verdict", cell: (verdict) => [badge(verdict.verdict), el("span", { class: "short" }, percent(verdict.change, verdict.baseline_mean) || difference(verdict.change)), verdict.accepted ? el("span", { class: "muted" }, " accepted") : null] },
      { key: "metric", title: "Metric", className: "what", cell: metricCell },
      { key: "baseline", title: "Baseline", number: true, cell: (verdict) => [meanText(verdict.baseline_mean, verdict.baseline_sd), el("span", { class: "n" }, verdict.baseline_n ? `n ${verdict.baseline_n}` : "", verdict.baseline ? [" · ", sessionLink(verdict.baseline)] : null)] },
      { key: "now", title: "Now", number: true, cell: (verdict) => [meanText(verdict.mean, verdict.sd), el("span", { class: "n" }, verdict.n ? ` n ${verdict.n}` : "")] },
      { key: "change", title: "Change", number: true, value: (verdict) => relative(verdict), cell: (verdict) => [difference(verdict.change), el("span", { class: "percent" }, percent(verdict.change, verdict.baseline_mean))] },
      { key: "interval", title: "Interval", wide: true, hint: "of the change, around zero; the shaded part is the tolerance", cell: (verdict) => [interval(verdict, toleranceOf(verdict)), el("span", { class: "n", title: "the smallest change that would be seen" }, sees(verdict))] },
      { key: "q", title: "Chance", number: true, wide: true, hint: "p-value, corrected for the number of metrics (q)", value: (verdict) => verdict.q_value ?? verdict.p_value, cell: (verdict) => [chance(verdict.q_value ?? verdict.p_value), el("span", { class: "n" }, verdict.method ?? "")] },
      { key: "history", title: "History", wide: true, cell: (verdict) => historyOf(verdict) },
    ],
  });
}

function relative({ change, baseline_mean: mean }) {
  return Number.isFinite(change) && mean ? change / Math.abs(mean) : change;
}

function metricCell(verdict) {
  const experiment = findExperiment(verdict.experiment);
  const group = experiment ? findGroup(experiment, verdict) : -1;
  return [
    el("a", { href: link({ experiment: verdict.experiment, tab: "history", metric: verdict.metric, group: group < 0 ? null : group }) }, el("strong", {}, verdict.metric), ` of ${verdict.experiment}`),
    params(verdict.params, text),
    verdict.reason ? el("span", { class: "reason" }, verdict.reason) : null,
  ];
}

function sees({ minimum_detectable_change: change }) {
  return Number.isFinite(change) ? `sees ±${number(change, 2)}` : "";
}

/** How much worse a metric may get [its own unit]; undefined where nothing was said. */
export function toleranceOf(verdict) {
  const metric = findExperiment(verdict.experiment)?.metric(verdict.metric);
  if (!metric || !Number.isFinite(verdict.baseline_mean)) return undefined;
  const tolerance = Math.max(metric.atol ?? 0, (metric.rtol ?? 0) * Math.abs(verdict.baseline_mean));
  return tolerance || undefined;
}

/** Find the group that a verdict is about, by the text of its params; -1 where there is none. */
export function findGroup(experiment, verdict) {
  const wanted = key(verdict.params);
  return experiment.groups.findIndex((pairs) => key(pairs) === wanted);
}

function key(pairs) {
  return JSON.stringify(pairs.map(([name, value]) => [name, text(value)]).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function historyOf(verdict) {
  const experiment = findExperiment(verdict.experiment);
  if (!experiment) return null;
  const group = findGroup(experiment, verdict);
  const values = new Array(experiment.versions.length).fill(undefined);
  for (const row of experiment.history(verdict.metric)) if (row.group === group) values[row.version] = row.mean;
  return sparkline(values, verdict.verdict);
}
