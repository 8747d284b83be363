// An experiment: its charts as tabs, and below them its runs, which the charts filter.

import { findSession } from "./data.js";
import { el, tabs } from "./dom.js";
import { count } from "./format.js";
import { shares } from "./marks.js";
import { curves, sequences } from "./curves.js";
import { gallery, pictures } from "./gallery.js";
import { history } from "./history.js";
import { parallel } from "./parallel.js";
import { note, place } from "./router.js";
import { runsPanel } from "./runs.js";
import { scatter } from "./scatter.js";
import { Selection } from "./selection.js";
import { sources } from "./sources.js";

/** Show an experiment. */
export function experimentView(experiment) {
  const names = place();
  const asked = names.session && findSession(names.session);
  const version = names.session === "all" ? null : (experiment.versions.find((found) => found.session === asked) ?? newestListed(experiment));
  const selection = new Selection(experiment, version === null ? null : version.at);
  const several = experiment.versions.length > 1;
  const items = [
    several && experiment.tracked.length ? { key: "history", text: "History", show: () => history(experiment) } : null,
    { key: "parallel", text: "Parallel coordinates", show: () => parallel(experiment, selection) },
    { key: "scatter", text: "Scatter", show: () => scatter(experiment, selection) },
    sequences(experiment).length ? { key: "curves", text: "Curves", show: () => curves(experiment, selection) } : null,
    pictures(experiment).length ? { key: "images", text: "Images", show: () => gallery(experiment, selection) } : null,
    { key: "steps", text: "Steps and config", show: () => sources(version ?? experiment.newest) },
  ].filter(Boolean);
  const usual = names.tab ?? items[0].key;
  const charts = tabs("Charts", items, usual, (key) => {
    selection.follow(null);
    if (key !== usual || names.tab) note({ tab: key });
  });
  charts.start();
  return [
    el("div", { class: "heading" }, el("h1", {}, experiment.name), shares(experiment.newest.outcomes), el("span", { class: "muted" }, count(experiment.versions.length, "session"))),
    experiment.doc ? el("p", { class: "lead" }, experiment.doc) : null,
    experiment.nodeid ? el("p", { class: "muted mono under" }, experiment.nodeid) : null,
    el("section", { class: "charts" }, charts.list, charts.panel),
    runsPanel(experiment, selection),
  ];
}

function newestListed(experiment) {
  return [...experiment.versions].reverse().find((version) => version.listed) ?? experiment.newest;
}
