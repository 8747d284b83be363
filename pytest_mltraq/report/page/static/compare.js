// Two sessions side by side: what differs around them, and each metric of each group.

import { experiments, findSession, sessions } from "./data.js";
import { choice, el, replace, toggle } from "./dom.js";
import { count, difference, exact, meanText, percent, text, time } from "./format.js";
import { badge, fact, interval, params, sessionLink, shares } from "./marks.js";
import { go, note, place } from "./router.js";
import { pairs } from "./sources.js";
import { Table } from "./table.js";
import { findGroup, toleranceOf } from "./verdicts.js";

const ALL = -1;

/** Show two sessions side by side. */
export function compareView() {
  if (sessions.length < 2) return [el("h1", {}, "Compare sessions"), el("p", {}, "There is only one session.")];
  const names = place();
  const now = findSession(names.with) ?? sessions[0];
  const before = findSession(names.compare) ?? sessions[now.at + 1] ?? sessions.find((session) => session !== now);
  const options = sessions.map((session) => [session.id, [session.label, session.branch, time(session.started), ...session.tags].filter(Boolean).join(" · ")]);
  const pick = (which) => (id) => go({ compare: before.id, with: now.id, [which]: id });
  return [
    el("h1", {}, "Compare sessions"),
    el("div", { class: "tools" }, choice("Before", options, before.id, pick("compare")), choice("After", options, now.id, pick("with")), el("button", { type: "button", class: "button", on: { click: () => go({ compare: now.id, with: before.id }) } }, "Swap")),
    el("dl", { class: "facts" }, fact("Before", sessionLink(before), " ", shares(before.outcomes)), fact("After", sessionLink(now), " ", shares(now.outcomes))),
    differences(before, now),
    ...numbersOf(before, now),
  ];
}

/** What is different around the runs: commit, packages, config, code. */
function differences(before, now) {
  const found = [];
  const add = (name, a, b) => {
    if (a !== b) found.push([name, [a, b]]);
  };
  add("commit", before.commit?.slice(0, 12) ?? "unknown", now.commit?.slice(0, 12) ?? "unknown");
  for (const name of ["branch", "python", "platform", "host", "command"]) add(name, before[name] ?? "unknown", now[name] ?? "unknown");
  const packages = new Set([...Object.keys(before.packages), ...Object.keys(now.packages)]);
  for (const name of [...packages].sort()) add(name, before.packages[name] ?? "not installed", now.packages[name] ?? "not installed");
  for (const [a, b] of shared(before, now)) {
    const { name } = a.experiment;
    for (const key of new Set([...a.config, ...b.config].map(([found_]) => found_))) add(`${name}: config ${key}`, of(a.config, key), of(b.config, key));
    const digests = new Map(a.code.map((step) => [step.name, step.digest]));
    for (const step of b.code) if (digests.get(step.name) !== step.digest) found.push([`${name}: ${step.name}`, digests.has(step.name) ? ["code", "changed"] : ["no such step", "new"]]);
    for (const step of a.code) if (!b.code.some((other) => other.name === step.name)) found.push([`${name}: ${step.name}`, ["a step", "gone"]]);
  }
  const write = ([a, b]) => [el("span", { class: "muted" }, a), " → ", el("strong", {}, b)];
  return el("section", {}, el("h2", {}, "What else differs"), found.length ? pairs("What differs between the sessions", found, write) : el("p", { class: "muted" }, "Nothing that is stored: commit, packages, config and code are the same."));
}

function of(entries, key) {
  const found = entries.find(([name]) => name === key);
  return found ? exact(found[1]) : "not set";
}

function shared(before, now) {
  return experiments.map((experiment) => [before, now].map((session) => experiment.versions.findLast((version) => version.session === session))).filter(([a, b]) => a && b);
}

function numbersOf(before, now) {
  const both = shared(before, now);
  const only = (session, other) => session.versions.map((version) => version.experiment.name).filter((name) => !other.versions.some((version) => version.experiment.name === name));
  const missing = [...only(before, now).map((name) => `${name} (only before)`), ...only(now, before).map((name) => `${name} (only after)`)];
  return [
    ...both.map(([a, b]) => comparison(a, b)),
    both.length ? null : el("p", {}, "The sessions have no experiment in common."),
    missing.length ? el("p", { class: "muted" }, `In one of them alone: ${missing.join(", ")}`) : null,
  ];
}

function comparison(a, b) {
  const { experiment } = b;
  const declared = experiment.metrics.map((metric) => metric.name);
  let everything = place().fields === "all" || !declared.length;
  const place_ = el("div");
  const draw = () => {
    const names = experiment.tracked.filter((name) => everything || declared.includes(name));
    replace(place_, table(a, b, names));
  };
  draw();
  const other = declared.length && experiment.tracked.some((name) => !declared.includes(name));
  const tools = other ? el("div", { class: "tools" }, toggle("Fields that are no declared metrics too", everything, (on) => {
    everything = on;
    note({ fields: on ? "all" : "" });
    draw();
  })) : null;
  return el("section", {}, el("h2", {}, experiment.name), tools, place_);
}

function table(a, b, names) {
  const { experiment } = b;
  const rows = names.flatMap((metric) => rowsOf(experiment, metric, a, b));
  return new Table({
    caption: `${experiment.name} in both sessions`,
    noun: "metric",
    rows,
    size: 100,
    rowClass: (row) => (row.verdict?.fails ? "fails" : null),
    columns: [
      { key: "metric", title: "Metric", value: (row) => row.metric, cell: (row) => el("strong", {}, row.metric) },
      { key: "params", title: "Params", value: (row) => row.group, cell: (row) => (row.group === ALL ? el("span", { class: "muted" }, "all runs") : params(experiment.groups[row.group], text)) },
      { key: "before", title: "Before", number: true, value: (row) => row.a?.mean, cell: (row) => side(row.a) },
      { key: "after", title: "After", number: true, value: (row) => row.b?.mean, cell: (row) => side(row.b) },
      { key: "change", title: "Change", number: true, value: (row) => row.change, cell: (row) => (row.change === undefined ? "" : difference(row.change)) },
      { key: "percent", title: "%", number: true, value: (row) => row.change / Math.abs(row.a?.mean), cell: (row) => (row.change === undefined ? "" : percent(row.change, row.a.mean)) },
      { key: "interval", title: "Interval", wide: true, cell: (row) => (row.verdict ? interval(row.verdict, toleranceOf(row.verdict)) : "") },
      {
        key: "verdict",
        title: "Verdict",
        className: "why",
        value: (row) => row.verdict?.verdict,
        cell: (row) => (row.verdict ? [badge(row.verdict.verdict), el("span", { class: "reason" }, row.verdict.reason)] : el("span", { class: "muted" }, "not judged")),
      },
    ],
  }).element;
}

function side(row) {
  return row ? [meanText(row.mean, row.sd), el("span", { class: "n" }, ` n ${row.n}`)] : el("span", { class: "muted" }, "–");
}

/** The groups of a metric that are in one of two versions. A verdict counts where it compares just these two. */
function rowsOf(experiment, metric, a, b) {
  const found = new Map();
  for (const row of experiment.history(metric)) {
    if (row.version !== a.at && row.version !== b.at) continue;
    if (!found.has(row.group)) found.set(row.group, { metric, group: row.group });
    found.get(row.group)[row.version === a.at ? "a" : "b"] = row;
  }
  const rows = [...found.values()].filter((row) => row.group !== ALL || found.size === 1 || found.size > 2);
  for (const row of rows) {
    if (row.a && row.b) row.change = row.b.mean - row.a.mean;
    row.verdict = b.session.verdicts.find((verdict) => verdict.metric === metric && verdict.experiment === experiment.name && verdict.baseline === a.session && findGroup(experiment, verdict) === row.group);
  }
  return rows.sort((x, y) => (x.group === ALL) - (y.group === ALL) || x.group - y.group);
}
