// Any two columns against each other, a point for each run.

import { choice, el, replace, toggle } from "./dom.js";
import { cut, number, text } from "./format.js";
import { runLabel } from "./overview.js";
import { plottable } from "./parallel.js";
import { link, note, place } from "./router.js";
import { makeScale } from "./scale.js";
import { colours, keepDrawn, prepare, shade } from "./theme.js";

const HEIGHT = 360;
const [LEFT, RIGHT, TOP, BOTTOM] = [66, 16, 12, 44];
const NEAR = 14;

/** Show a scatter plot. */
export function scatter(experiment, selection) {
  const possible = plottable(experiment);
  if (possible.length < 2) return el("p", { class: "muted" }, "A scatter plot needs two columns that differ between runs.");
  const chart = new Scatter(experiment, selection, possible);
  return [chart.tools, chart.element, el("p", { class: "hint no-print" }, "Drag to keep the runs in a part of the plane; click a point to see its run. The table below lists the same runs.")];
}

class Scatter {
  constructor(experiment, selection, possible) {
    this.experiment = experiment;
    this.selection = selection;
    this.possible = possible;
    const find = (key) => possible.find((column) => column.key === key);
    const fields = possible.filter(({ source, kind }) => source === "fields" && kind === "number");
    const params = possible.filter(({ source, name }) => source === "params" && !experiment.over.includes(name));
    const declared = find(`fields.${experiment.metrics[0]?.name}`);
    this.y = find(place().y) ?? declared ?? fields[0] ?? possible[0];
    this.x = find(place().x) ?? [...params.filter(({ kind }) => kind === "number"), ...fields, ...params, ...possible].find((column) => column !== this.y);
    this.colour = find(place().colour) ?? null;
    this.log = { x: place().xlog ? place().xlog === "1" : null, y: place().ylog ? place().ylog === "1" : null };
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.tip = el("div", { class: "tip", hidden: true });
    this.box = el("div", { class: "brush", hidden: true });
    this.element = el("div", { class: "chart scatter", role: "img" }, this.canvas, this.box, this.tip);
    this.tools = el("div", { class: "tools" });
    this.legend = el("span", { class: "legend" });
    this.drawTools();
    keepDrawn(this.element, (width) => this.draw(width));
    selection.follow(() => this.draw(this.element.clientWidth));
    this.follow();
  }

  drawTools() {
    const options = this.possible.map(({ key, name }) => [key, name]);
    const set = (axis) => (key) => {
      this[axis] = this.possible.find((column) => column.key === key) ?? null;
      if (axis !== "colour") this.log[axis] = null;
      note({ [axis]: key, ...(axis === "colour" ? {} : { [`${axis}log`]: null }) });
      this.drawTools();
      this.draw(this.element.clientWidth);
    };
    const log = (axis) =>
      this[axis].kind === "number" && makeScale(this[axis], this.selection.all).low > 0
        ? toggle("log", makeScale(this[axis], this.selection.all, this.log[axis]).log, (on) => {
            this.log[axis] = on;
            note({ [`${axis}log`]: on ? "1" : "0" });
            this.draw(this.element.clientWidth);
          }, { "aria-label": `logarithmic ${axis} axis` })
        : null;
    replace(this.tools, choice("x", options, this.x.key, set("x")), log("x"), choice("y", options, this.y.key, set("y")), log("y"), choice("Colour", [["", "none"], ...options], this.colour?.key ?? "", set("colour")), this.legend);
  }

  draw(width) {
    this.width = width;
    const { all, runs, picked } = this.selection;
    this.scales = { x: makeScale(this.x, all, this.log.x), y: makeScale(this.y, all, this.log.y) };
    const context = prepare(this.canvas, width, HEIGHT);
    this.drawAxes(context);
    this.points = runs.map((run) => this.point(run)).filter(({ x, y }) => x === x && y === y);
    const scale = this.colour && makeScale(this.colour, all);
    const found = colours();
    const radius = this.points.length > 3000 ? 2 : this.points.length > 400 ? 3 : 4;
    context.globalAlpha = this.points.length > 1000 ? 0.45 : 0.75;
    for (const { x, y, run } of this.points) {
      const share = scale ? scale.share(this.colour.values[run]) : NaN;
      context.fillStyle = scale ? (Number.isNaN(share) ? found.strong : shade(share)) : found.series[0];
      context.beginPath();
      context.arc(x, y, radius, 0, 7);
      context.fill();
    }
    context.globalAlpha = 1;
    context.strokeStyle = found.text;
    context.lineWidth = 1.5;
    for (const { x, y, run } of this.points) {
      if (!picked.has(run)) continue;
      context.beginPath();
      context.arc(x, y, radius + 3, 0, 7);
      context.stroke();
    }
    const left = runs.length - this.points.length;
    this.element.setAttribute("aria-label", `${this.y.name} against ${this.x.name} of ${number(this.points.length)} runs${left ? `; ${number(left)} have no value there` : ""}`);
    this.drawLegend(scale);
  }

  drawLegend(scale) {
    if (!scale) replace(this.legend);
    else if (scale.isNumber) replace(this.legend, number(scale.low), el("span", { class: "ramp", css: { background: `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map(shade).join(", ")})` } }), number(scale.high));
    else replace(this.legend, scale.values.slice(0, 8).map((value) => [el("span", { class: "swatch", css: { background: shade(scale.share(value)) } }), text(value)]));
  }

  point(run) {
    return {
      run,
      x: LEFT + this.scales.x.share(this.x.values[run]) * (this.width - LEFT - RIGHT),
      y: TOP + (1 - this.scales.y.share(this.y.values[run])) * (HEIGHT - TOP - BOTTOM),
    };
  }

  drawAxes(context) {
    const found = colours();
    const bottom = HEIGHT - BOTTOM + 8;
    context.fillStyle = found.muted;
    context.strokeStyle = found.line;
    const room = (this.width - LEFT - RIGHT) / 62;
    const ticks = this.scales.x.ticks();
    const every = Math.ceil(ticks.length / Math.max(2, room));
    context.textAlign = "center";
    ticks.forEach(([value, label], at) => {
      const x = LEFT + this.scales.x.share(value) * (this.width - LEFT - RIGHT);
      context.fillStyle = found.line;
      context.fillRect(x - 0.5, TOP - 4, 1, bottom - TOP + 4);
      context.fillStyle = found.muted;
      if (at % every === 0) context.fillText(cut(label, 10), x, bottom + 15);
    });
    context.textAlign = "right";
    for (const [value, label] of this.scales.y.ticks()) {
      const y = TOP + (1 - this.scales.y.share(value)) * (HEIGHT - TOP - BOTTOM);
      context.fillStyle = found.line;
      context.fillRect(LEFT - 8, y - 0.5, this.width - LEFT - RIGHT + 16, 1);
      context.fillStyle = found.muted;
      context.fillText(cut(label, 8), LEFT - 12, y + 4);
    }
    context.fillStyle = found.text;
    context.textAlign = "center";
    context.fillText(this.x.name + (this.scales.x.log ? " (log)" : ""), LEFT + (this.width - LEFT - RIGHT) / 2, HEIGHT - 4);
    context.save();
    context.translate(12, TOP + (HEIGHT - TOP - BOTTOM) / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(this.y.name + (this.scales.y.log ? " (log)" : ""), 0, 0);
    context.restore();
  }

  follow() {
    const at = (event) => {
      const box = this.element.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    let begin = null;
    this.element.addEventListener("pointerdown", (event) => {
      if (event.button === 0 && event.pointerType !== "touch") begin = at(event);
    });
    this.element.addEventListener("pointermove", (event) => {
      const now = at(event);
      if (begin) this.showBox(begin, now);
      else this.showTip(now);
    });
    this.element.addEventListener("pointerleave", () => {
      this.tip.hidden = true;
    });
    this.element.addEventListener("pointerup", (event) => {
      const now = at(event);
      this.box.hidden = true;
      if (begin && Math.hypot(now.x - begin.x, now.y - begin.y) > 5) this.brush(begin, now);
      else if (this.nearest(now)) location.hash = link({ experiment: this.experiment.name, run: this.experiment.own.id[this.nearest(now).run] });
      begin = null;
    });
  }

  nearest({ x, y }) {
    let best = null;
    let least = NEAR ** 2;
    for (const point of this.points) {
      const distance = (point.x - x) ** 2 + (point.y - y) ** 2;
      if (distance < least) [least, best] = [distance, point];
    }
    return best;
  }

  showTip(now) {
    const point = this.nearest(now);
    this.tip.hidden = !point;
    this.element.style.cursor = point ? "pointer" : "crosshair";
    if (!point) return;
    const values = [this.x, this.y, this.colour].filter(Boolean).map((column) => el("div", {}, `${column.name} `, el("strong", {}, text(column.values[point.run]))));
    replace(this.tip, el("div", {}, runLabel(this.experiment, point.run)), values);
    this.tip.style.left = `${Math.min(point.x + 12, this.width - this.tip.offsetWidth - 4)}px`;
    this.tip.style.top = `${Math.max(0, point.y - this.tip.offsetHeight - 8)}px`;
  }

  showBox(a, b) {
    this.tip.hidden = true;
    this.box.hidden = false;
    Object.assign(this.box.style, { left: `${Math.min(a.x, b.x)}px`, top: `${Math.min(a.y, b.y)}px`, width: `${Math.abs(a.x - b.x)}px`, height: `${Math.abs(a.y - b.y)}px` });
  }

  brush(a, b) {
    const [left, right] = [a.x, b.x].sort((p, q) => p - q).map((x) => (x - LEFT) / (this.width - LEFT - RIGHT));
    const [bottom, top] = [a.y, b.y].sort((p, q) => q - p).map((y) => 1 - (y - TOP) / (HEIGHT - TOP - BOTTOM));
    for (const [column, scale, low, high] of [[this.x, this.scales.x, left, right], [this.y, this.scales.y, bottom, top]]) {
      const range = scale.isNumber ? { low: scale.value(low), high: scale.value(high) } : { values: new Set(scale.between(low, high)) };
      this.selection.ranges.set(column.key, range);
    }
    this.selection.changed();
  }
}
