// Images that runs kept, beside each other.

import { choice, el, replace } from "./dom.js";
import { count } from "./format.js";
import { runLabel } from "./overview.js";
import { link, note, place } from "./router.js";

const MOST = 60;

/** Return the columns that have images. */
export function pictures(experiment) {
  return experiment.columns.filter(({ kind, values }) => kind === "other" && values.some((value) => value?.image));
}

/** Show the images of the runs that are looked at; of picked runs, where some are. */
export function gallery(experiment, selection) {
  const columns = pictures(experiment);
  let column = columns.find(({ key }) => key === place().images) ?? columns[0];
  const list = el("div", { class: "gallery" });
  const note_ = el("p", { class: "muted" });
  const draw = () => {
    const runs = (selection.picked.size ? [...selection.picked] : selection.runs).filter((run) => column.values[run]?.image);
    replace(list, runs.slice(0, MOST).map((run) => figure(column.values[run], runLabel(experiment, run).replace(`${experiment.name} · `, ""), link({ experiment: experiment.name, run: experiment.own.id[run] }))));
    note_.textContent = runs.length > MOST ? `The first ${MOST} of ${count(runs.length, "image")}: filter the runs below to see others.` : runs.length ? "" : "The runs that are looked at have no such image.";
  };
  draw();
  selection.follow(draw);
  const choose = (key) => {
    column = columns.find((found) => found.key === key);
    note({ images: key });
    draw();
  };
  const tools = columns.length > 1 ? el("div", { class: "tools" }, choice("Field", columns.map(({ key, name }) => [key, name]), column.key, choose)) : null;
  return [tools, list, note_];
}

/** Show an image with its name. What is in an SVG can't run or load anything: it is an image here, not a document. */
export function figure(value, name, href) {
  const image = el("img", { alt: `${name}: ${value.text}`, src: `data:${value.image.type};base64,${value.image.data}`, loading: "lazy" });
  return el("figure", { class: "picture" }, image, el("figcaption", {}, href ? el("a", { href }, name) : name));
}
