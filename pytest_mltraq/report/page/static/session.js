// A session: what happened in it, and where it ran.

import { sessions } from "./data.js";
import { el } from "./dom.js";
import { count, number } from "./format.js";
import { fact, shares } from "./marks.js";
import { findings, headline } from "./overview.js";
import { link } from "./router.js";
import { Table } from "./table.js";

/** Show a session. */
export function sessionView(session) {
  const before = sessions[session.at + 1];
  const table = new Table({
    caption: "Experiments of the session",
    noun: "experiment",
    rows: session.versions,
    columns: [
      { key: "name", title: "Experiment", value: (version) => version.experiment.name, cell: (version) => el("a", { href: link({ experiment: version.experiment.name, session: version.session.id }) }, version.experiment.name) },
      { key: "runs", title: "Runs", value: (version) => version.total, cell: (version) => shares(version.outcomes) },
      { key: "listed", title: "Listed here", number: true, cell: (version) => (version.listed === version.total ? "all" : number(version.listed)) },
    ],
  });
  return [
    el("div", { class: "crumbs" }, el("a", { href: "#" }, "Overview"), "›", el("span", {}, "Session")),
    ...headline(session),
    before ? el("p", { class: "under" }, el("a", { href: link({ compare: before.id, with: session.id }) }, "Compare with the session before")) : null,
    ...findings(session),
    el("section", {}, el("h2", {}, "Experiments"), table.element),
    el("section", {}, el("h2", {}, "Environment"), environment(session)),
  ];
}

/** Show where a session ran. */
export function environment(session) {
  const names = Object.keys(session.packages ?? {}).sort();
  const job = session.ci?.job;
  const isLink = typeof job === "string" && /^https?:\/\//.test(job);
  return [
    el(
      "dl",
      { class: "facts" },
      fact("Commit", el("span", { class: "mono" }, session.commit ?? "unknown", session.dirty ? " with changes" : "")),
      fact("Python", session.python),
      fact("Platform", session.platform),
      fact("Host", session.host),
      session.ci ? fact("CI", session.ci.provider, isLink ? [" ", el("a", { href: job, rel: "noopener noreferrer", target: "_blank" }, "job")] : null) : null,
      fact("Command", el("span", { class: "mono" }, session.command)),
      fact("Session", el("span", { class: "mono" }, session.id)),
    ),
    names.length ? el("details", { class: "more" }, el("summary", {}, count(names.length, "installed package")), el("ul", { class: "packages" }, names.map((name) => el("li", {}, `${name} `, el("span", { class: "muted" }, session.packages[name]))))) : null,
  ];
}
