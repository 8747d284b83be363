// Scales: from values of a column to a share of a length, from 0 to 1, and their ticks.

import { number, text } from "./format.js";

const MOST_TICKS = 12;
const [WIDE_PARAM, WIDE] = [40, 1000];

/** Make the scale of a column; `log` null: logarithmic where its positive numbers span a wide range, as rates and sizes that are tried out do. */
export function makeScale(column, runs, log = null) {
  return column.kind === "number" ? numbers(column.values, runs, log, column.source === "params" ? WIDE_PARAM : WIDE) : categories(column, runs);
}

function numbers(values, runs, wanted, wide) {
  let [low, high] = [Infinity, -Infinity];
  for (const run of runs) {
    const value = values[run];
    if (value < low && Number.isFinite(value)) low = value;
    if (value > high && Number.isFinite(value)) high = value;
  }
  if (low > high) [low, high] = [0, 1];
  const log = low > 0 && (wanted ?? high / low > wide);
  const [turn, back] = log ? [Math.log10, (share) => 10 ** share] : [(value) => value, (value) => value];
  const [begin, end] = low === high ? [turn(low) - 0.5, turn(low) + 0.5] : [turn(low), turn(high)];
  return {
    low,
    high,
    log,
    isNumber: true,
    share: (value) => (Number.isFinite(value) && (!log || value > 0) ? (turn(value) - begin) / (end - begin) : NaN),
    value: (share) => back(begin + share * (end - begin)),
    ticks: () => (log && Math.floor(end) - Math.ceil(begin) >= 1 ? powers(begin, end) : steps(back(begin), back(end))).map((value) => [value, number(value)]),
  };
}

function powers(begin, end) {
  const all = [];
  for (let power = Math.ceil(begin - 1e-9); power <= end + 1e-9; power += 1) all.push(10 ** power);
  return all.filter((_, at) => at % Math.ceil(all.length / 6) === 0);
}

/** Return about five round numbers between two. */
export function steps(low, high) {
  const rough = (high - low) / 5 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9 && found.length < 20; at += 1) found.push(Number((at * step).toPrecision(12)));
  return found;
}

function categories(column, runs) {
  const used = new Set();
  for (const run of runs) used.add(column.values[run]);
  const values = column.categories.filter((value) => used.has(value));
  const places = new Map(values.map((value, at) => [value, values.length === 1 ? 0.5 : at / (values.length - 1)]));
  const every = Math.ceil(values.length / MOST_TICKS);
  return {
    isNumber: false,
    values,
    share: (value) => places.get(value) ?? NaN,
    between: (low, high) => values.filter((value) => places.get(value) >= low - 1e-9 && places.get(value) <= high + 1e-9),
    ticks: () => values.filter((_, at) => at % every === 0).map((value) => [value, text(value)]),
  };
}
