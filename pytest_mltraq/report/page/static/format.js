// Numbers, times and other values as text.

const DIGITS = 5;
const MINUS = "\u2212";
const SPACE = "\u202f";

/** Write a number with some significant digits. */
export function number(value, digits = DIGITS) {
  if (value === null || value === undefined) return "";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : `${MINUS}∞`;
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return signed(String(Math.abs(value)).replace(/\B(?=(\d{3})+$)/g, SPACE), value);
  const size = Math.abs(value);
  if (size >= 1e7 || size < 1e-4) {
    const [digitsOf, power] = size.toExponential(Math.max(0, digits - 2)).split("e");
    return signed(`${trim(digitsOf)}e${power.replace("+", "").replace("-", MINUS)}`, value);
  }
  return signed(trim(size.toPrecision(digits)), value);
}

function trim(text) {
  return text.includes(".") && !text.includes("e") ? text.replace(/\.?0+$/, "") : text;
}

function signed(text, value) {
  return value < 0 || Object.is(value, -0) ? MINUS + text : text;
}

/** Write a difference, always with its sign. */
export function difference(value, digits = 3) {
  if (value === null || value === undefined) return "";
  return value > 0 ? `+${number(value, digits)}` : number(value, digits);
}

/** Write a change in percent of what it was. */
export function percent(change, of) {
  if (!Number.isFinite(change) || !of || !Number.isFinite(of)) return "";
  const value = (100 * change) / Math.abs(of);
  return `${value > 0 ? "+" : value < 0 ? MINUS : ""}${Math.abs(value) >= 1000 ? "> 999" : Math.abs(value).toFixed(Math.abs(value) < 10 ? 2 : 1)}${SPACE}%`;
}

/** Write a mean with its standard deviation, to the digits that the deviation has. */
export function meanText(mean, sd) {
  if (mean === null || mean === undefined) return "";
  if (!Number.isFinite(mean) || !Number.isFinite(sd) || sd === 0) return number(mean);
  const places = 1 - Math.floor(Math.log10(sd));
  if (places > 8 || places < -5 || Math.abs(mean) >= 1e7) return `${number(mean)} ± ${number(sd, 2)}`;
  const shown = Math.max(0, places);
  return `${signed(Math.abs(mean).toFixed(shown), mean)} ± ${sd.toFixed(shown)}`;
}

/** Write a p-value. */
export function chance(p) {
  if (p === null || p === undefined) return "";
  return p < 0.0001 ? "< 0.0001" : p.toFixed(p < 0.01 ? 4 : p < 0.1 ? 3 : 2);
}

/** Write a duration, given in seconds. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "";
  if (seconds < 0.001) return `${number(seconds * 1e6, 3)}${SPACE}µs`;
  if (seconds < 1) return `${number(seconds * 1e3, 3)}${SPACE}ms`;
  if (seconds < 60) return `${number(seconds, 3)}${SPACE}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}${SPACE}min ${Math.round(seconds % 60)}${SPACE}s`;
  return `${Math.floor(minutes / 60)}${SPACE}h ${minutes % 60}${SPACE}min`;
}

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const MINUTE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });

/** Write a time, given in milliseconds since 1970, in the reader's zone. */
export function time(ms) {
  return Number.isFinite(ms) ? MINUTE.format(ms) : "";
}

/** Write the day of a time. */
export function day(ms) {
  return Number.isFinite(ms) ? DAY.format(ms) : "";
}

/** Write a count with its noun: `1 run`, `1 200 runs`. */
export function count(n, noun, plural = `${noun}s`) {
  return `${number(n)} ${n === 1 ? noun : plural}`;
}

/** Write a value of any kind in a few words. */
export function text(value) {
  if (value === undefined) return "";
  if (value === null) return "None";
  if (typeof value === "number") return number(value);
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "object") return value.label;
  return value;
}

/** Write a value of any kind with all that the page knows of it. */
export function exact(value) {
  if (typeof value === "number" && Number.isFinite(value)) return signed(String(Math.abs(value)), value);
  if (value && typeof value === "object") return value.text;
  return text(value);
}

/** Cut a text to a length. */
export function cut(value, length) {
  return value.length > length ? `${value.slice(0, length - 1)}…` : value;
}
