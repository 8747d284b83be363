"""What the programs that judge share: labelled histories of metrics, shares with their bounds, and the table."""

from __future__ import annotations

import csv
import json
import math
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

METRICS = {"accuracy": "maximize", "macro_f1": "maximize", "log_loss": "minimize"}
"""The metrics of the labelled histories, and which direction is good."""

CERTAINTY = 3.291
"""Standard deviations within which 99.9 % of what is drawn lies: there are many rows, and one of a thousand bounds is wrong."""


class History(NamedTuple):
    """A metric of one series of commits.

    Attributes:
        series: its name.
        metric: the metric.
        values: by seed, of each commit in their order.
        change_at: the commit at which one change was planted, or None.
        effect: of the change, in standard deviations of a commit's mean, > 0 where it is to the better; 0 without a change.
        is_damage: whether the change was meant to do harm; whether it did is for the effect to say.
    """

    series: str
    metric: str
    values: list[dict[int, float]]
    change_at: int | None
    effect: float
    is_damage: bool


class Share(NamedTuple):
    """How many of many."""

    hits: int
    total: int

    @property
    def rate(self) -> float:
        """The share."""
        return self.hits / self.total if self.total else math.nan

    @property
    def bounds(self) -> tuple[float, float]:
        """Where the probability behind it lies, with a certainty of 99.9 %.

        Source: E. B. Wilson, Probable inference, J. Am. Stat. Assoc. 22, 1927.
        """
        n, z = self.total, CERTAINTY
        center = (self.rate + z * z / (2 * n)) / (1 + z * z / n)
        reach = z / (1 + z * z / n) * math.sqrt(self.rate * (1 - self.rate) / n + z * z / (4 * n * n))
        return max(0.0, center - reach), min(1.0, center + reach)


class Row(NamedTuple):
    """A row of the table."""

    what: str
    found: str
    bounds: str = ""
    goal: str = ""
    verdict: str = ""


HEAD = Row("measured", "found", "99.9 % bounds", "goal", "verdict")


def read_histories(folder: Path) -> Iterator[History]:
    """Read labelled histories: `labels.json` has what was planted, `runs.csv` series, commit, seed and the metrics."""
    labels: dict[str, Any] = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    found: dict[tuple[str, str], dict[int, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    with (folder / "runs.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            for metric in METRICS:
                found[line["series"], metric][int(line["commit"])][int(line["seed"])] = float(line[metric])
    for (series, metric), commits in found.items():
        label = labels[series]
        sign = 1 if METRICS[metric] == "maximize" else -1
        effect = sign * label[metric]["d_over_commit_sd"] if metric in label else 0.0
        values = [commits[at] for at in sorted(commits)]
        yield History(series, metric, values, label["change_at"], effect, label["direction"] == "damage")


def at_most(what: str, share: Share, goal: float | None = None) -> Row:
    """Make the row of a share that should be at most so large; it is over where its lower bound is."""
    return _row(what, share, "" if goal is None else f"<= {goal:.1%}", goal is None or share.bounds[0] <= goal)


def at_least(what: str, share: Share, goal: float | None = None) -> Row:
    """Make the row of a share that should be at least so large; it is under where its upper bound is."""
    return _row(what, share, "" if goal is None else f">= {goal:.0%}", goal is None or share.bounds[1] >= goal)


def _row(what: str, share: Share, goal: str, is_kept: bool) -> Row:
    low, high = share.bounds
    verdict = ("ok" if is_kept else "missed") if goal else ""
    return Row(what, f"{share.rate:.1%}", f"{low:.1%} to {high:.1%}", goal, verdict)


def make_chance(*of: object) -> random.Random:
    """Return a generator of random numbers: the same ones whenever the same thing is simulated, and others for others."""
    return random.Random(" ".join(map(str, of)))  # noqa: S311 - no secrets


def print_table(title: str, rows: Sequence[Row]) -> None:
    """Print rows below a title."""
    print(f"\n{title}", flush=True)
    table = [HEAD, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join([first.strip().ljust(widths[0]), *others]).rstrip(), flush=True)
