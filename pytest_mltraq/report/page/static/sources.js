// The code of steps, and what all runs of a version share.

import { el } from "./dom.js";
import { exact } from "./format.js";

/** Show the steps of a version with their code, and its config and fields. */
export function sources(version) {
  const before = version.experiment.versions[version.at - 1];
  const known = new Map((before?.code ?? []).map((step) => [step.name, step.digest]));
  const steps = version.code.map((step) => {
    const isChanged = known.has(step.name) && known.get(step.name) !== step.digest;
    const where = step.file ? `${step.file}:${step.line}` : "";
    return el(
      "details",
      { class: "step", open: version.code.length <= 3 },
      el("summary", {}, el("strong", {}, step.name), " ", el("span", { class: "muted mono" }, where), isChanged ? el("span", { class: "tag" }, "changed since the session before") : null),
      step.source ? el("pre", { tabindex: 0, "aria-label": `source of ${step.name}` }, el("code", {}, step.source)) : el("p", { class: "muted" }, "Its source is not known."),
    );
  });
  return [
    version.config.length ? [el("h3", {}, "Config"), pairs("Config", version.config)] : null,
    version.fields.length ? [el("h3", {}, "Fields that all runs share"), pairs("Shared fields", version.fields)] : null,
    el("h3", {}, `Steps (${version.code.length})`),
    steps.length ? steps : el("p", { class: "muted" }, "No step is stored."),
  ];
}

/** Show names and values as a table. */
export function pairs(caption, entries, cell = plain) {
  return el(
    "div",
    { class: "table" },
    el(
      "table",
      { class: "pairs" },
      el("caption", { class: "hidden" }, caption),
      el("tbody", {}, entries.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, el("span", {}, name)), el("td", {}, cell(value))))),
    ),
  );
}

/** Show a value as a whole: a short text in its line, a long one in a block. */
export function plain(value) {
  const written = exact(value);
  if (!value || typeof value !== "object") return written;
  const type = el("span", { class: "muted" }, value.type, " ");
  return written.includes("\n") || written.length > 100 ? [type, el("pre", { class: "value", tabindex: 0 }, written)] : [type, written];
}
