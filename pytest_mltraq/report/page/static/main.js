// The report: its frame, and which view is in it.

import { about, experiments, findExperiment, findSession } from "./data.js";
import { compareView } from "./compare.js";
import { append, el, replace } from "./dom.js";
import { experimentView } from "./experiment.js";
import { count, number, time } from "./format.js";
import { sign } from "./marks.js";
import { overview } from "./overview.js";
import { link, place } from "./router.js";
import { runView } from "./run.js";
import { sessionView } from "./session.js";

const MANY = 12;
const main = el("main", { id: "main", tabindex: -1 });
const list = el("ul");
const nav = el("nav", { "aria-label": "Views", id: "views" });
let shown = null;

/** Return the title and the content of the view that the address names. */
function view() {
  const names = place();
  if ("compare" in names) return ["Compare", compareView];
  if (names.experiment !== undefined) {
    const experiment = findExperiment(names.experiment);
    if (!experiment) return missing(`There is no experiment “${names.experiment}” here.`);
    if (names.run === undefined) return [experiment.name, () => experimentView(experiment)];
    const run = experiment.find(names.run, names.session);
    return run === undefined ? missing(`The run ${names.run} is not listed here.`) : [`Run of ${experiment.name}`, () => runView(experiment, run)];
  }
  if (names.session !== undefined) {
    const session = findSession(names.session);
    return session ? [`Session ${session.label}`, () => sessionView(session)] : missing(`The session ${names.session} is not here.`);
  }
  return ["Overview", overview];
}

function missing(text) {
  return ["Not here", () => [el("h1", {}, "Not here"), el("p", {}, text), el("p", {}, el("a", { href: "#" }, "Overview"))]];
}

/** Show the view that the address names; what only changed how it is looked at is shown already. */
function show() {
  if (location.hash === shown) return;
  const isFirst = shown === null;
  const [title, make] = view();
  document.title = `${title} · mltraq report`;
  replace(main, make(), footer());
  shown = location.hash;
  mark();
  nav.classList.remove("opened");
  if (isFirst) return;
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** Mark where the reader is, in the list of views. */
function mark() {
  const { experiment, compare, session } = place();
  const here = compare !== undefined ? "compare" : (experiment ?? (session === undefined ? "" : null));
  for (const item of nav.querySelectorAll("a")) {
    if (item.dataset.view === here && !(here === "compare" && item.dataset.experiment)) item.setAttribute("aria-current", "page");
    else item.removeAttribute("aria-current");
  }
}

function fillNav() {
  const filter = el("input", { type: "search", placeholder: "Find an experiment", "aria-label": "Find an experiment", on: { input: () => drawList(filter.value) } });
  append(
    nav,
    el("ul", {}, el("li", {}, el("a", { href: "#", data: { view: "" } }, "Overview")), el("li", {}, el("a", { href: link({ compare: "last" }), data: { view: "compare" } }, "Compare sessions"))),
    el("h2", {}, "Experiments"),
    experiments.length > MANY ? filter : null,
    list,
  );
  drawList("");
}

function drawList(wanted) {
  const found = experiments.filter((experiment) => experiment.name.toLowerCase().includes(wanted.toLowerCase()));
  replace(list, found.slice(0, 400).map((experiment) => el("li", {}, el("a", { href: link({ experiment: experiment.name }), data: { view: experiment.name, experiment: "1" } }, el("span", {}, experiment.name), state(experiment)))));
  mark();
}

/** A sign where something of an experiment's newest version is wrong; else how many runs there are. */
function state(experiment) {
  const { outcomes, session, total } = experiment.newest;
  if (session.verdicts.some((verdict) => verdict.experiment === experiment.name && verdict.fails)) return sign("regressed");
  if (outcomes.failed || outcomes.error || outcomes.crashed) return sign("failed");
  return el("span", { class: "muted" }, number(total));
}

function footer() {
  const { program, generated, leftOut } = about;
  return el(
    "footer",
    {},
    `Made by ${program} on ${time(generated)}.`,
    leftOut.length ? [" Not on this page:", el("ul", {}, leftOut.map((line) => el("li", {}, line)))] : " Everything that the database holds of these sessions is on this page.",
  );
}

function start() {
  const open = el("button", { type: "button", class: "button open", "aria-expanded": "false", "aria-controls": nav.id, on: { click: () => open.setAttribute("aria-expanded", String(nav.classList.toggle("opened"))) } }, "Views");
  const skip = el("button", { type: "button", class: "button skip", on: { click: () => main.focus() } }, "Skip to the content");
  const top = el("header", { class: "top" }, el("a", { href: "#", class: "brand" }, "mltraq"), el("span", { class: "database" }, about.database), el("span", { class: "when" }, count(experiments.length, "experiment"), " · ", time(about.generated)), open);
  append(document.getElementById("app"), skip, top, el("div", { class: "frame" }, nav, main));
  fillNav();
  show();
  addEventListener("hashchange", show);
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}

start();
