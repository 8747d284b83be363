// A run: everything that is stored of it.

import { curvesOf } from "./curves.js";
import { findSession } from "./data.js";
import { el } from "./dom.js";
import { duration, number, text, time } from "./format.js";
import { figure } from "./gallery.js";
import { badge, fact, outcomeName, sessionLink } from "./marks.js";
import { runLabel } from "./overview.js";
import { link, place } from "./router.js";
import { environment } from "./session.js";
import { pairs, plain, sources } from "./sources.js";

/** Show a run of an experiment. */
export function runView(experiment, run) {
  const { own } = experiment;
  const version = experiment.versions[own.version[run]];
  const of = (source) => experiment.columns.filter((column) => column.source === source && column.values[run] !== undefined).map(({ key, values }) => [key.slice(source.length + 1), values[run]]);
  const [params, fields] = [of("params"), of("fields")];
  const images = [...params, ...fields].filter(([, value]) => value?.image);
  const error = experiment.error(run);
  const curves = curvesOf(experiment, run);
  return [
    el("div", { class: "crumbs" }, el("a", { href: link({ experiment: experiment.name }) }, experiment.name), "›", neighbours(experiment, run)),
    el("div", { class: "heading" }, el("h1", {}, runLabel(experiment, run).replace(`${experiment.name} · `, "")), badge(outcomeName(own.outcome[run]))),
    el(
      "dl",
      { class: "facts" },
      fact("Session", sessionLink(version.session)),
      fact("Started", time(own.started[run])),
      fact("Took", duration(own.duration[run])),
      fact("Seed", el("span", { class: "mono" }, text(own.seed[run]).replaceAll("\u202f", ""))),
      own.attempts[run] > 1 ? fact("Attempts", number(own.attempts[run])) : null,
      own.worker[run] ? fact("Worker", own.worker[run]) : null,
      fact("Id", el("span", { class: "mono" }, own.id[run])),
    ),
    own.nodeid[run] ? el("p", { class: "muted mono under" }, own.nodeid[run]) : null,
    error ? failure(error) : null,
    section("Params", params.length ? pairs("Params", params, plain) : null),
    section("Fields", fields.length ? pairs("Fields", fields, plain) : el("p", { class: "muted" }, "The run set no field.")),
    section("Steps", stepBar(experiment.steps(run), error?.step)),
    images.length ? section("Images", el("div", { class: "gallery" }, images.map(([name, value]) => figure(value, name)))) : null,
    curves ? section("Curves", curves) : null,
    section("Code and config", sources(version)),
    section("Environment", environment(version.session)),
  ];
}

function section(title, ...content) {
  return el("section", {}, el("h2", {}, title), content);
}

/** Links to the runs before and after, in the order of the experiment. */
function neighbours(experiment, run) {
  const { own } = experiment;
  const at = (step) => (own.version[run + step] === own.version[run] ? run + step : null);
  const names = place();
  const session = names.session && findSession(names.session) ? names.session : null;
  const to = (found, title) => (found === null ? null : el("a", { href: link({ experiment: experiment.name, run: own.id[found], session }) }, title));
  return [el("span", {}, `run ${own.position[run] + 1} of ${number(experiment.versions[own.version[run]].total)}`), to(at(-1), "‹ previous"), to(at(1), "next ›")];
}

function failure(error) {
  const lines = (error.message || "").split("\n").length;
  return el(
    "section",
    { class: "failure" },
    el("h2", {}, `${error.type}${error.step ? ` in ${error.step}` : ""}`),
    el("p", { class: "message" }, error.message),
    error.traceback ? el("details", { class: "more", open: lines < 30 }, el("summary", {}, "Traceback"), el("pre", { tabindex: 0, "aria-label": "Traceback" }, error.traceback)) : null,
  );
}

/** Show how long each step took: a bar, and the figures. */
function stepBar(steps, failed) {
  if (!steps.length) return el("p", { class: "muted" }, "No step was executed.");
  const total = steps.reduce((sum, { seconds }) => sum + (seconds ?? 0), 0);
  const share = (seconds) => (total ? (seconds ?? 0) / total : 0);
  const bar = el("div", { class: "steps", "aria-hidden": "true" }, steps.map(({ name, seconds }, at) => el("span", { css: { "flex-grow": Math.max(share(seconds), 0.004), background: `var(--s${(at % 8) + 1})` }, title: `${name} ${duration(seconds)}` })));
  const rows = steps.map(({ name, seconds }, at) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, el("span", { class: "swatch", css: { background: `var(--s${(at % 8) + 1})` } }), name, name === failed ? [" ", badge("failed")] : null),
      el("td", { class: "number" }, duration(seconds)),
      el("td", { class: "number" }, `${(100 * share(seconds)).toFixed(1)} %`),
    ),
  );
  const head = el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Step"), el("th", { scope: "col", class: "number" }, "Took"), el("th", { scope: "col", class: "number" }, "Share")));
  return [bar, el("div", { class: "table narrow" }, el("table", {}, el("caption", { class: "hidden" }, "Durations of steps"), head, el("tbody", {}, rows)))];
}
