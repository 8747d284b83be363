// Colours and sizes for what is drawn on a canvas; the style sheet says them, for a light and a dark screen and for paper.

const NAMES = { paper: "--paper", line: "--line", strong: "--strong-line", text: "--text", muted: "--muted", link: "--link", band: "--band", sunken: "--sunken", bad: "--bad", good: "--good" };
const SERIES = ["--s1", "--s2", "--s3", "--s4", "--s5", "--s6", "--s7", "--s8"];
const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3]];
// Source: viridis, S. van der Walt and N. Smith, in the public domain (CC0): eleven of its colours. It can be told apart with every kind of colour blindness.
const VIRIDIS = [[68, 1, 84], [72, 36, 117], [65, 68, 135], [53, 95, 141], [42, 120, 142], [33, 145, 140], [34, 168, 132], [68, 191, 112], [122, 209, 81], [189, 223, 38], [253, 231, 37]];

/** Width of charts on paper: what fits between the margins of A4 and Letter [CSS pixels]. */
const PAPER = 660;

const dark = matchMedia("(prefers-color-scheme: dark)");
const drawn = new Map();
let paper = false;

/** Return the colours by name, and those of series. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const found = Object.fromEntries(Object.entries(NAMES).map(([name, variable]) => [name, style.getPropertyValue(variable).trim()]));
  found.series = SERIES.map((variable) => style.getPropertyValue(variable).trim());
  found.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  return found;
}

/** Return how the series of a number looks: eight colours, then the same ones in dashes. */
export function seriesLook(at) {
  const { series } = colours();
  return { stroke: series[at % series.length], dash: DASHES[Math.floor(at / series.length) % DASHES.length] };
}

/** Return the colour of a share from 0 to 1, dark enough on light paper and light enough on dark. */
export function shade(share) {
  const at = (isDark() ? 0.25 + 0.75 * share : 0.85 * share) * (VIRIDIS.length - 1);
  const low = Math.min(VIRIDIS.length - 2, Math.floor(at));
  const mixed = VIRIDIS[low].map((value, place) => Math.round(value + (at - low) * (VIRIDIS[low + 1][place] - value)));
  return `rgb(${mixed.join(" ")})`;
}

function isDark() {
  return dark.matches && !paper;
}

/**
 * Draw something now, and again when its place changes its size or the colours change, as long as it is on the page.
 *
 * `draw` is called with the width in CSS pixels.
 */
export function keepDrawn(element, draw) {
  let width = 0;
  const fitting = () => (paper ? Math.min(PAPER, element.clientWidth) : element.clientWidth);
  const observer = new ResizeObserver(() => {
    if (!element.isConnected || Math.abs(element.clientWidth - width) < 1) return;
    width = element.clientWidth;
    for (const other of drawn.keys()) if (!other.isConnected) drawn.delete(other);
    drawn.set(element, () => draw(fitting()));
    draw(fitting());
  });
  observer.observe(element);
}

function print(on) {
  paper = on;
  // Styles that are computed now are still those of the screen.
  document.documentElement.toggleAttribute("data-paper", on);
  redraw();
}

function redraw() {
  for (const [element, draw] of drawn) if (element.isConnected) draw();
}

dark.addEventListener("change", redraw);
addEventListener("beforeprint", () => print(true));
addEventListener("afterprint", () => print(false));

/** Size a canvas in CSS pixels, sharp on every screen; returns its context. */
export function prepare(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = colours().font;
  return context;
}
