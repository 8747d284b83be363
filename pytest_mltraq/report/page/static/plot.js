// Charts of lines, by uPlot: its options as all charts here have them.

import { el, replace } from "./dom.js";
import { cut, number } from "./format.js";
import { colours, keepDrawn } from "./theme.js";

/**
 * Make a chart that follows the size of its place and the colours of the page.
 *
 * `make(found, width)` returns uPlot's options and data; `found` are the colours. Returns the element, and `plot()`, which is uPlot's object.
 */
export function chart(label, height, make) {
  const element = el("div", { class: "chart", role: "img", "aria-label": label });
  element.style.minHeight = `${height}px`;
  let made = null;
  const draw = (width) => {
    made?.destroy();
    replace(element);
    const { options, data } = make(colours(), width);
    made = new globalThis.uPlot({ width, height, legend: { show: false }, ...options }, data, element);
  };
  keepDrawn(element, draw);
  return { element, plot: () => made, redraw: () => element.isConnected && draw(element.clientWidth) };
}

/** Return an axis; `values(u, splits)` writes its ticks. */
export function axis(found, label, values, extra = {}) {
  const style = { stroke: found.muted, font: found.font.replace("12px", "11px"), labelFont: found.font, labelSize: 20, labelGap: 2 };
  return { ...style, grid: { stroke: found.line, width: 1 }, ticks: { stroke: found.line, width: 1, size: 4 }, gap: 4, label, values, ...extra };
}

/** Write ticks as numbers. */
export function numbers(u, splits) {
  return splits.map((value) => (value === null ? "" : number(value)));
}

/** Return the width that an axis of numbers needs. */
export function fit(u, values, at, cycle) {
  const known = u.axes[at];
  if (cycle > 1) return known._size;
  const longest = (values ?? []).reduce((length, value) => Math.max(length, (value ?? "").length), 0);
  return Math.max(38, 14 + longest * 6.6);
}

/** Return a plugin that shows a text beside the pointer: `write(at, series)` of the nearest point, or nothing. */
export function tips(write) {
  let tip = null;
  return {
    hooks: {
      init: (u) => {
        tip = el("div", { class: "tip", hidden: true });
        u.over.append(tip);
      },
      setCursor: (u) => {
        const found = nearest(u);
        const content = found && write(found.at, found.series);
        tip.hidden = !content;
        if (!content) return;
        replace(tip, content);
        const { left, top } = u.cursor;
        tip.style.left = `${Math.max(0, Math.min(left + 14, u.over.clientWidth - tip.offsetWidth))}px`;
        tip.style.top = `${Math.max(-10, top - tip.offsetHeight - 10)}px`;
      },
    },
  };
}

/** Return the point nearest to the pointer: its place and the place of its series; null where none is near. */
export function nearest(u, distance = 30) {
  const { left, top, idx } = u.cursor;
  if (idx === null || idx === undefined || left < 0) return null;
  let best = null;
  let least = distance ** 2;
  for (let series = 1; series < u.series.length; series += 1) {
    if (!u.series[series].show || u.series[series].isBand) continue;
    for (let at = Math.max(0, idx - 2); at <= Math.min(u.data[0].length - 1, idx + 2); at += 1) {
      const value = u.data[series][at];
      if (value === null || value === undefined) continue;
      const apart = (u.valToPos(u.data[0][at], "x") - left) ** 2 + (u.valToPos(value, u.series[series].scale) - top) ** 2;
      if (apart < least) [least, best] = [apart, { at, series }];
    }
  }
  return best;
}

/** Make the legend of a chart: a list of names in the colours of their lines. Items have `text`, `look`, `href`. */
export function legend(items, hover = () => {}) {
  return el(
    "ul",
    { class: "series" },
    items.map(({ name, look, href, note }, at) =>
      el(
        "li",
        { on: { pointerenter: () => hover(at), pointerleave: () => hover(null) } },
        el("span", { class: "line", css: { "border-top": `2px ${look.dash.length ? "dashed" : "solid"} ${look.stroke}` } }),
        href ? el("a", { href }, cut(name, 60)) : cut(name, 60),
        note ? el("span", { class: "muted" }, note) : null,
      ),
    ),
  );
}
