// The first view: what happened in the newest session, what regressed first; the experiments; the sessions.

import { about, experiments, sessions, verdicts } from "./data.js";
import { el } from "./dom.js";
import { count, duration, meanText, number, text, time } from "./format.js";
import { badge, fact, sessionLink, shares, sign, sparkline } from "./marks.js";
import { link } from "./router.js";
import { Table } from "./table.js";
import { verdictTable } from "./verdicts.js";

const VERDICTS = ["regressed", "missing", "undecided", "new", "improved", "unchanged"];
const FAILURES = 20;
const BAD = ["failed", "error", "crashed", "interrupted"];

/** Show the overview. */
export function overview() {
  const newest = sessions[0];
  if (!newest) return [el("h1", {}, "Nothing is stored"), el("p", {}, `${about.database} has no sessions.`)];
  return [...headline(newest), ...findings(newest), experimentList(), sessionList()];
}

/** Show what happened in a session in one sentence, and what it was. */
export function headline(session) {
  const counts = countWords(session.verdicts);
  const failed = BAD.reduce((sum, word) => sum + (session.outcomes[word] ?? 0), 0);
  const total = Object.values(session.outcomes).reduce((sum, n) => sum + n, 0);
  const said = [];
  if (counts.regressed) said.push(`${count(counts.regressed, "metric")} regressed`);
  if (counts.missing) said.push(`${count(counts.missing, "metric")} missing`);
  const others = session.verdicts.filter(({ fails, verdict }) => fails && verdict !== "regressed" && verdict !== "missing").length;
  if (others) said.push(`${count(others, "metric")} failed`);
  if (failed) said.push(`${count(failed, "run")} failed`);
  const word = said.length ? "regressed" : session.finished === undefined ? "interrupted" : "passed";
  const calm = session.verdicts.length ? "No metric regressed" : `${count(total, "run")}, none failed`;
  return [
    el("h1", { class: "headline", data: { word } }, sign(word), said.length ? said.join(", ") : calm),
    el(
      "dl",
      { class: "facts" },
      fact("Session", sessionLink(session), session.tags.map((tag) => el("span", { class: "tag" }, tag))),
      fact("Branch", session.branch ?? "unknown"),
      fact("Started", time(session.started)),
      fact("Took", session.finished === undefined ? "not finished" : duration((session.finished - session.started) / 1000)),
      fact("Runs", shares(session.outcomes)),
      session.verdicts.length ? fact("Metrics", shares(counts, VERDICTS)) : null,
    ),
  ];
}

/** Show the verdicts and failed runs of a session. */
export function findings(session) {
  const judged = session.verdicts;
  return [
    judged.length ? el("section", {}, el("h2", {}, "Metrics, what regressed first"), verdictTable(judged)) : null,
    failures(session),
  ];
}

function countWords(found) {
  const counts = {};
  for (const { verdict } of found) counts[verdict] = (counts[verdict] ?? 0) + 1;
  return counts;
}

function failures(session) {
  const found = [];
  for (const version of session.versions) {
    const { experiment } = version;
    for (let run = 0; run < experiment.n; run += 1) {
      if (experiment.own.version[run] === version.at && BAD.includes(experiment.own.outcome[run])) found.push({ experiment, run });
    }
  }
  if (!found.length) return null;
  const table = new Table({
    caption: "Runs that failed",
    noun: "run",
    rows: found.slice(0, FAILURES),
    columns: [
      { key: "outcome", title: "Outcome", cell: ({ experiment, run }) => badge(experiment.own.outcome[run]) },
      {
        key: "run",
        title: "Run",
        cell: ({ experiment, run }) => el("a", { href: link({ experiment: experiment.name, run: experiment.own.id[run] }) }, runLabel(experiment, run)),
      },
      { key: "step", title: "Step", wide: true, cell: ({ experiment, run }) => experiment.error(run)?.step ?? "" },
      { key: "error", title: "Error", className: "message", cell: ({ experiment, run }) => errorText(experiment.error(run)) },
    ],
  });
  const rest = found.length > FAILURES ? el("p", { class: "muted" }, `and ${count(found.length - FAILURES, "more run", "more runs")}: filter an experiment's runs by “failed”`) : null;
  return el("section", {}, el("h2", {}, `Failed runs (${number(found.length)})`), table.element, rest);
}

function errorText(error) {
  return error ? `${error.type}: ${error.message.split("\n")[0]}` : "";
}

/** Name a run by the params that tell it from others. */
export function runLabel(experiment, run) {
  const told = experiment.columns.filter((column) => column.source === "params" && column.varies && column.values[run] !== undefined);
  const words = told.map((column) => (column.kind === "number" ? `${column.name} ${text(column.values[run])}` : text(column.values[run])));
  return words.length ? `${experiment.name} · ${words.join(" · ")}` : `${experiment.name} · run ${experiment.own.position[run] + 1}`;
}

function experimentList() {
  const shown = [...experiments].sort((a, b) => b.newest.session.started - a.newest.session.started);
  const table = new Table({
    caption: "Experiments",
    noun: "experiment",
    rows: shown,
    columns: [
      {
        key: "name",
        title: "Experiment",
        value: (experiment) => experiment.name,
        cell: (experiment) => el("a", { href: link({ experiment: experiment.name }) }, experiment.name),
      },
      { key: "runs", title: "Runs", value: (experiment) => experiment.newest.total, cell: (experiment) => shares(experiment.newest.outcomes) },
      { key: "metrics", title: "Newest means, over all runs", cell: (experiment) => el("ul", { class: "metrics" }, experiment.tracked.slice(0, 3).map((name) => metricLine(experiment, name))) },
      { key: "versions", title: "Sessions", number: true, value: (experiment) => experiment.versions.length, cell: (experiment) => number(experiment.versions.length) },
      {
        key: "last",
        title: "Last session",
        className: "when",
        value: (experiment) => experiment.newest.session.started,
        cell: (experiment) => [sessionLink(experiment.newest.session), " ", el("span", { class: "muted" }, time(experiment.newest.session.started))],
      },
    ],
  });
  return el("section", {}, el("h2", {}, `Experiments (${number(experiments.length)})`), table.element);
}

function metricLine(experiment, name) {
  const all = experiment.history(name).filter((row) => row.group === -1);
  const values = new Array(experiment.versions.length).fill(undefined);
  for (const row of all) values[row.version] = row.mean;
  const last = all.find((row) => row.version === experiment.newest.at);
  const found = verdicts.filter((verdict) => verdict.experiment === experiment.name && verdict.metric === name && verdict.session === experiment.newest.session);
  const worst = found[0]?.verdict;
  return el("li", {}, el("span", { class: "name" }, name), el("span", { class: "value" }, last ? meanText(last.mean, last.sd) : "–"), sparkline(values, worst));
}

/** Show all sessions. */
function sessionList() {
  const table = new Table({
    caption: "Sessions",
    noun: "session",
    rows: sessions,
    sort: "-started",
    size: 25,
    columns: [
      { key: "started", title: "Started", className: "when", value: (session) => session.started, cell: (session) => time(session.started) },
      { key: "commit", title: "Commit", value: (session) => session.commit, cell: (session) => sessionLink(session) },
      { key: "branch", title: "Branch", value: (session) => session.branch, cell: (session) => [session.branch ?? "", session.tags.map((tag) => el("span", { class: "tag" }, tag))] },
      { key: "runs", title: "Runs", value: (session) => Object.values(session.outcomes).reduce((sum, n) => sum + n, 0), cell: (session) => shares(session.outcomes) },
      {
        key: "verdicts",
        title: "Metrics",
        value: (session) => session.verdicts.filter((verdict) => verdict.fails).length,
        cell: (session) => (session.verdicts.length ? shares(countWords(session.verdicts), VERDICTS) : ""),
      },
      {
        key: "took",
        title: "Took",
        number: true,
        wide: true,
        value: (session) => session.finished - session.started,
        cell: (session) => (session.finished === undefined ? badge("interrupted") : duration((session.finished - session.started) / 1000)),
      },
      {
        key: "compare",
        title: "Compare",
        cell: (session) => (sessions[session.at + 1] ? el("a", { href: link({ compare: sessions[session.at + 1].id, with: session.id }), "aria-label": `compare ${session.label} with the session before` }, "with previous") : ""),
      },
    ],
  });
  return el("section", {}, el("h2", {}, `Sessions (${number(sessions.length)})`), table.element);
}
