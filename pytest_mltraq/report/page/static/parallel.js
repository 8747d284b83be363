// Parallel coordinates: an axis for each param and metric, a line for each run. A part of an axis can be brushed, by the pointer or by the
// two handles that each axis has for the keyboard; the runs outside of it are left out of the table and the other charts too.

import { checklist, choice, el, replace } from "./dom.js";
import { cut, number, text } from "./format.js";
import { note, place } from "./router.js";
import { makeScale } from "./scale.js";
import { colours, keepDrawn, prepare, shade } from "./theme.js";

const HEIGHT = 300;
const [TOP, BOTTOM, SIDE] = [34, 14, 56];
const AXES = 8;
const CHANNELS = 24;
const TOGETHER = 48;

/** Return the columns that can be an axis. */
export function plottable(experiment) {
  return [...experiment.columns, ...experiment.ownColumns.filter(({ key }) => ["outcome", "duration", "started", "session"].includes(key))].filter(
    (column) => column.kind !== "other" && column.varies && (column.kind === "number" || column.categories.length <= 200),
  );
}

/** Show parallel coordinates. */
export function parallel(experiment, selection) {
  const possible = plottable(experiment);
  if (possible.length < 2) return el("p", { class: "muted" }, "Parallel coordinates need two params or metrics that differ between runs.");
  const chart = new Parallel(experiment, selection, possible);
  return [chart.tools, chart.element, el("p", { class: "hint no-print" }, "Drag along an axis to keep the runs in that part of it; a click on the part gives it up. The table below lists them.")];
}

class Parallel {
  constructor(experiment, selection, possible) {
    this.experiment = experiment;
    this.selection = selection;
    this.possible = possible;
    const wanted = place().axes?.split(",");
    const usual = possible.filter(({ source, name }) => source === "fields" || (source === "params" && !experiment.over.includes(name)));
    this.axes = wanted ? possible.filter(({ key }) => wanted.includes(key)) : (usual.length > 1 ? usual : possible).slice(0, AXES);
    const declared = experiment.metrics[0]?.name;
    this.colour = this.axes.find(({ key }) => key === `fields.${declared}`) ?? this.axes[this.axes.length - 1];
    this.back = el("canvas", { "aria-hidden": "true" });
    this.front = el("canvas", { "aria-hidden": "true" });
    this.handles = el("div", { class: "handles" });
    this.element = el("div", { class: "chart parallel", role: "group", "aria-label": "Parallel coordinates of the runs" }, this.back, this.front, this.handles);
    this.element.style.height = `${HEIGHT}px`;
    this.legend = el("span", { class: "legend" });
    this.tools = el("div", { class: "tools" }, this.axesMenu(), this.colourChoice(), this.legend);
    keepDrawn(this.element, (width) => this.draw(width));
    selection.follow((what) => {
      if (what === "runs") this.refresh();
    });
  }

  axesMenu() {
    const options = this.possible.map((column) => ({ key: column.key, text: column.name, checked: this.axes.includes(column) }));
    return checklist("Axes", options, (key, on) => {
      const chosen = this.possible.filter((column) => (column.key === key ? on : this.axes.includes(column)));
      if (chosen.length < 2) return;
      this.axes = chosen;
      if (!on) this.selection.setRange(key, null);
      note({ axes: chosen.map((column) => column.key).join(",") });
      this.draw(this.element.clientWidth);
    });
  }

  colourChoice() {
    const options = this.possible.map(({ key, name }) => [key, name]);
    return choice("Colour", options, this.colour.key, (key) => {
      this.colour = this.possible.find((column) => column.key === key);
      this.draw(this.element.clientWidth);
    });
  }

  /** Draw everything anew. */
  draw(width) {
    this.width = width;
    const { all } = this.selection;
    this.base = all;
    this.scales = new Map([...this.axes, this.colour].map((column) => [column, makeScale(column, all)]));
    this.places = this.axes.map((_, at) => SIDE + (at * (width - 2 * SIDE)) / (this.axes.length - 1));
    this.lines = this.axes.map((column) => {
      const scale = this.scales.get(column);
      return Float32Array.from(column.values, (value) => TOP + (1 - scale.share(value)) * (HEIGHT - TOP - BOTTOM));
    });
    const scale = this.scales.get(this.colour);
    this.channels = Uint8Array.from(this.colour.values, (value) => {
      const share = scale.share(value);
      return Number.isNaN(share) ? CHANNELS : Math.round(share * (CHANNELS - 1));
    });
    this.drawLines(prepare(this.back, width, HEIGHT), all, 0.5, true);
    this.drawFront();
    replace(this.handles, this.axes.map((column, at) => this.axisHandles(column, this.places[at])));
    this.drawLegend(scale);
  }

  /** Draw what the selection changes. */
  refresh() {
    if (this.base !== this.selection.all) {
      this.draw(this.element.clientWidth);
      return;
    }
    this.drawFront();
    for (const update of this.updates ?? []) update();
  }

  drawFront() {
    const { runs } = this.selection;
    const context = prepare(this.front, this.width, HEIGHT);
    this.drawLines(context, runs, Math.max(0.12, Math.min(0.85, 90 / Math.sqrt(runs.length * 90 + 1))), false);
    this.drawAxes(context);
  }

  /** Draw runs; some of one colour in one go, which is what makes ten thousand quick. */
  drawLines(context, runs, alpha, isBack) {
    const groups = Array.from({ length: CHANNELS + 1 }, () => []);
    for (const run of runs) groups[isBack ? 0 : this.channels[run]].push(run);
    const { sunken, strong } = colours();
    context.globalAlpha = isBack ? 1 : alpha;
    context.lineWidth = 1;
    const longest = Math.max(...groups.map((members) => members.length));
    for (let begin = 0; begin < longest; begin += TOGETHER) {
      // In turns, so that no colour hides the others.
      groups.forEach((members, channel) => {
        if (begin >= members.length) return;
        context.strokeStyle = isBack ? sunken : channel === CHANNELS ? strong : shade(channel / (CHANNELS - 1));
        this.stroke(context, members.slice(begin, begin + TOGETHER));
      });
    }
    context.globalAlpha = 1;
  }

  stroke(context, members) {
    const { lines, places } = this;
    context.beginPath();
    for (const run of members) {
      let isDown = false;
      for (let at = 0; at < places.length; at += 1) {
        const y = lines[at][run];
        if (y !== y) isDown = false;
        else if (isDown) context.lineTo(places[at], y);
        else {
          context.moveTo(places[at], y);
          isDown = true;
        }
      }
    }
    context.stroke();
  }

  drawAxes(context) {
    const found = colours();
    const space = (this.width - 2 * SIDE) / (this.axes.length - 1);
    const letters = Math.max(4, Math.floor(Math.min(space, 2 * SIDE) / 7.5));
    this.axes.forEach((column, at) => {
      const x = this.places[at];
      const scale = this.scales.get(column);
      context.fillStyle = found.strong;
      context.fillRect(x - 0.5, TOP, 1, HEIGHT - TOP - BOTTOM);
      const range = this.selection.ranges.get(column.key);
      if (range) {
        const [low, high] = shares(range, scale);
        const y = TOP + (1 - high) * (HEIGHT - TOP - BOTTOM);
        context.fillStyle = found.band;
        context.fillRect(x - 9, y - 2, 18, (high - low) * (HEIGHT - TOP - BOTTOM) + 4);
        context.strokeStyle = found.link;
        context.strokeRect(x - 9, y - 2, 18, (high - low) * (HEIGHT - TOP - BOTTOM) + 4);
      }
      context.textAlign = "center";
      context.fillStyle = found.text;
      context.font = found.font.replace("12px", "600 12px");
      context.fillText(cut(column.name, letters) + (scale.log ? " (log)" : ""), x, 14);
      context.font = found.font.replace("12px", "11px");
      const isLast = at === this.axes.length - 1;
      context.textAlign = isLast ? "right" : "left";
      for (const [value, label] of scale.ticks()) {
        const y = TOP + (1 - scale.share(value)) * (HEIGHT - TOP - BOTTOM);
        const short = cut(label, Math.max(5, letters - 1));
        const begin = x + (isLast ? -7 : 7);
        context.lineWidth = 3;
        context.strokeStyle = found.paper;
        context.strokeText(short, begin, y + 4);
        context.fillStyle = found.muted;
        context.fillText(short, begin, y + 4);
        context.fillRect(x - 3, y - 0.5, 6, 1);
      }
      context.lineWidth = 1;
    });
  }

  drawLegend(scale) {
    const name = this.colour.name;
    if (scale.isNumber) {
      const stops = [0, 0.25, 0.5, 0.75, 1].map(shade).join(", ");
      replace(this.legend, number(scale.low), el("span", { class: "ramp", css: { background: `linear-gradient(90deg, ${stops})` }, title: name }), number(scale.high));
      return;
    }
    const shown = scale.values.slice(0, 8);
    replace(this.legend, shown.map((value) => [el("span", { class: "swatch", css: { background: shade(scale.share(value)) } }), text(value)]), scale.values.length > 8 ? "…" : null);
  }

  /** Make what an axis is brushed with: its length for the pointer, two handles for the keyboard. */
  axisHandles(column, x) {
    const scale = this.scales.get(column);
    const track = el("div", { class: "track", css: { left: `${x}px`, top: `${TOP - 8}px`, height: `${HEIGHT - TOP - BOTTOM + 16}px` }, title: column.name });
    this.brushByPointer(track, column, scale);
    const handles = ["from", "to"].map((which) => this.handle(column, scale, which, x));
    this.updates = this.axes[0] === column ? handles.map(({ update }) => update) : [...this.updates, ...handles.map(({ update }) => update)];
    return [track, handles.map(({ element }) => element)];
  }

  brushByPointer(track, column, scale) {
    const length = HEIGHT - TOP - BOTTOM;
    const share = (event) => Math.max(0, Math.min(1, 1 - (event.clientY - track.getBoundingClientRect().top - 8) / length));
    let begin = null;
    let waits = false;
    const brush = (event) => {
      const [low, high] = [begin, share(event)].sort((a, b) => a - b);
      if ((high - low) * length >= 3) this.setShares(column, scale, low, high);
    };
    track.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      begin = share(event);
      track.setPointerCapture(event.pointerId);
    });
    track.addEventListener("pointermove", (event) => {
      if (begin === null || waits) return;
      waits = true;
      requestAnimationFrame(() => {
        waits = false;
        if (begin !== null) brush(event);
      });
    });
    track.addEventListener("pointerup", (event) => {
      if (begin === null) return;
      const distance = Math.abs(share(event) - begin) * length;
      if (distance < 3) this.selection.setRange(column.key, null);
      else brush(event);
      begin = null;
    });
    track.addEventListener("pointercancel", () => {
      begin = null;
    });
  }

  setShares(column, scale, low, high) {
    if (low <= 0 && high >= 1) this.selection.setRange(column.key, null);
    else if (scale.isNumber) this.selection.setRange(column.key, { low: low <= 0 ? -Infinity : scale.value(low), high: high >= 1 ? Infinity : scale.value(high) });
    else this.selection.setRange(column.key, { values: new Set(scale.between(low, high)) });
  }

  handle(column, scale, which, x) {
    const isTo = which === "to";
    const step = scale.isNumber ? 0.02 : scale.values.length > 1 ? 1 / (scale.values.length - 1) : 1;
    const now = () => shares(this.selection.ranges.get(column.key), scale);
    const move = (event) => {
      const steps = { ArrowUp: step, ArrowRight: step, ArrowDown: -step, ArrowLeft: -step, PageUp: 5 * step, PageDown: -5 * step, Home: -2, End: 2 };
      if (event.key === "Escape") this.selection.setRange(column.key, null);
      if (!(event.key in steps)) return;
      event.preventDefault();
      const [low, high] = now();
      const value = (isTo ? high : low) + steps[event.key];
      if (isTo) this.setShares(column, scale, low, Math.max(low, Math.min(1, value)));
      else this.setShares(column, scale, Math.max(0, Math.min(high, value)), high);
    };
    const element = el("div", { class: "handle", role: "slider", tabindex: 0, "aria-label": `${column.name} ${which}`, "aria-orientation": "vertical", "aria-valuemin": 0, "aria-valuemax": 100, css: { left: `${x}px` }, on: { keydown: move } });
    const update = () => {
      const share = now()[isTo ? 1 : 0];
      element.style.top = `${TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)}px`;
      element.setAttribute("aria-valuenow", String(Math.round(100 * share)));
      element.setAttribute("aria-valuetext", scale.isNumber ? number(scale.value(share)) : text(scale.values[Math.round(share * (scale.values.length - 1))]));
    };
    update();
    return { element, update };
  }
}

/** Return the part of an axis that a range is, from 0 to 1. */
function shares(range, scale) {
  if (!range) return [0, 1];
  if (range.values) {
    const found = [...range.values].map(scale.share).filter((share) => !Number.isNaN(share));
    return found.length ? [Math.min(...found), Math.max(...found)] : [0, 0];
  }
  const low = Number.isFinite(range.low) ? scale.share(range.low) : 0;
  const high = Number.isFinite(range.high) ? scale.share(range.high) : 1;
  return [Math.max(0, Number.isNaN(low) ? 0 : low), Math.min(1, Number.isNaN(high) ? 1 : high)];
}
