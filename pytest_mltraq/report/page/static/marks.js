// Small marks that are read at a glance: outcomes, verdicts, intervals and histories. Each has a text or a label; none says it by colour alone.

import { el, svg } from "./dom.js";
import { count, difference, number } from "./format.js";
import { link } from "./router.js";

const SIGNS = {
  passed: "✓",
  failed: "✕",
  error: "!",
  crashed: "⚡",
  interrupted: "◐",
  skipped: "–",
  xfailed: "✓",
  xpassed: "✕",
  regressed: "✕",
  improved: "✓",
  unchanged: "=",
  undecided: "?",
  new: "+",
  missing: "∅",
  accepted: "✓",
};

/** Name an outcome; a run that was not executed has none. */
export function outcomeName(outcome) {
  return outcome || "not run";
}

/** A sign with its word: an outcome or a verdict. */
export function badge(word, properties = {}) {
  return el("span", { class: "badge", data: { word }, ...properties }, el("span", { class: "sign", "aria-hidden": "true" }, SIGNS[word] ?? "·"), word);
}

/** A sign alone, with its word for those who don't see it. */
export function sign(word) {
  return el("span", { class: "badge bare", data: { word }, title: word }, el("span", { class: "sign", "aria-hidden": "true" }, SIGNS[word] ?? "·"), el("span", { class: "hidden" }, word));
}

const WORDS = ["failed", "error", "crashed", "interrupted", "xpassed", "", "skipped", "xfailed", "passed"];

/** A bar with the share of each outcome or verdict, and the counts in words. */
export function shares(counts, order = WORDS) {
  const words = Object.keys(counts).filter((word) => counts[word]);
  words.sort((a, b) => order.indexOf(a) - order.indexOf(b));
  const total = words.reduce((sum, word) => sum + counts[word], 0);
  const parts = words.map((word) => el("span", { data: { word: outcomeName(word) }, css: { "flex-grow": counts[word] / total } }));
  const said = words.map((word) => `${number(counts[word])} ${outcomeName(word)}`).join(", ");
  return el("span", { class: "shares" }, el("span", { class: "bar", "aria-hidden": "true" }, parts), el("span", { class: "counts" }, said || "no runs"));
}

/** An interval of a change around zero, with the tolerance. */
export function interval({ change, low, high, verdict }, tolerance) {
  if (!Number.isFinite(change)) return null;
  const [begin, end] = [Number.isFinite(low) ? low : change, Number.isFinite(high) ? high : change];
  const extent = 1.1 * Math.max(Math.abs(begin), Math.abs(end), tolerance || 0) || 1;
  const x = (value) => 48 + (value / extent) * 44;
  const label = `change ${difference(change)}` + (Number.isFinite(low) ? `, between ${difference(low)} and ${difference(high)}` : "") + (tolerance ? `, tolerance ±${number(tolerance, 3)}` : "");
  return svg(
    "svg",
    { class: "interval", viewBox: "0 0 96 18", width: 96, height: 18, role: "img", "aria-label": label },
    svg("title", {}, label),
    tolerance ? svg("rect", { class: "tolerance", x: x(-tolerance), y: 2, width: x(tolerance) - x(-tolerance), height: 14 }) : null,
    svg("line", { class: "zero", x1: 48, x2: 48, y1: 0, y2: 18 }),
    svg("line", { class: "range", data: { word: verdict }, x1: x(begin), x2: x(end), y1: 9, y2: 9 }),
    svg("circle", { class: "point", data: { word: verdict }, cx: x(change), cy: 9, r: 3.5 }),
  );
}

/** The history of a mean as a small line; what is said of it is said beside it. */
export function sparkline(values, word) {
  const points = values.map((value, at) => [at, value]).filter(([, value]) => Number.isFinite(value));
  if (points.length < 2) return null;
  const numbers = points.map(([, value]) => value);
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const x = (at) => 3 + (74 * at) / (values.length - 1);
  const y = (value) => (high === low ? 10 : 17 - (14 * (value - low)) / (high - low));
  const [lastAt, last] = points[points.length - 1];
  const label = `${points.length} sessions, from ${number(low)} to ${number(high)}, last ${number(last)}`;
  return svg(
    "svg",
    { class: "sparkline", viewBox: "0 0 80 20", width: 80, height: 20, role: "img", "aria-label": label },
    svg("title", {}, label),
    svg("polyline", { points: points.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" ") }),
    svg("circle", { cx: x(lastAt), cy: y(last), r: 2.5, data: { word: word ?? "" } }),
  );
}

/** A link to a session by its commit, with what else names it. */
export function sessionLink(session) {
  return el("a", { href: link({ session: session.id }), class: "mono" }, session.label, session.dirty ? el("span", { title: "with changes that were not committed" }, "*") : null);
}

/** Names and values of params. */
export function params(pairs, write) {
  return el("span", { class: "params" }, pairs.map(([name, value]) => el("span", { class: "param" }, el("span", { class: "name" }, name), " ", write(value))));
}

/** A value that is a figure with its name: of a strip of such. */
export function fact(name, ...values) {
  return el("div", { class: "fact" }, el("dt", {}, name), el("dd", {}, values));
}

/** Say how many runs, as a link to the experiment. */
export function runsOf(version) {
  return el("span", {}, count(version.total, "run"), " ", shares(version.outcomes));
}
