"""The summary at the end of a session: a short table for each experiment."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from pytest_mltraq.codec import dump_json, load_object
from pytest_mltraq.counting import counted
from pytest_mltraq.groups import readable_params, split_params
from pytest_mltraq.metric import REPLICATE_PARAMS
from pytest_mltraq.record import RunRecord
from pytest_mltraq.report.text import visible

MAX_GROUPS: Final = 12
"""Groups that a table shows; the others are counted, and all are shown with -v."""

KEPT_GROUPS: Final = 1000
"""Groups that are kept at all, so that a session's memory doesn't grow with the number of runs."""

LONGEST_CELL: Final = 40

MAX_METRICS: Final = 8
"""Metrics of which a mean is kept, so that a session's memory doesn't grow with the number of fields."""


class Mean:
    """Mean and standard deviation of values that come one by one.

    Source: B. P. Welford, Note on a method for calculating corrected sums of squares and products, Technometrics 4, 1962.
    """

    __slots__ = ("_squares", "mean", "n")

    def __init__(self) -> None:
        self.n, self.mean, self._squares = 0, 0.0, 0.0

    def add(self, value: float) -> None:
        """Take a value in."""
        self.n += 1
        delta = value - self.mean
        self.mean += delta / self.n
        self._squares += delta * (value - self.mean)

    @property
    def sd(self) -> float | None:
        """The standard deviation (with n - 1), None of one value."""
        return None if self.n == 1 else math.sqrt(self._squares / (self.n - 1))

    def __str__(self) -> str:
        """Write `mean ± sd` (with n - 1), of one value the value alone."""
        mean = f"{self.mean:.4g}"
        return mean if self.sd is None else f"{mean} ± {self.sd:.2g}"


class _Group:
    """Runs with the same params except those of replicates.

    Attributes:
        params: the params, as JSON text.
        position: place of its first run in the experiment.
        means: the mean of each metric.
        runs: how many there are.
    """

    __slots__ = ("means", "params", "position", "runs")

    def __init__(self, params: str, position: int) -> None:
        self.params, self.position = params, position
        self.means: dict[str, Mean] = {}
        self.runs = 0


class _Experiment:
    """Groups of runs by their params without those of replicates, and what there is in them."""

    __slots__ = ("dropped", "groups", "metrics", "outcomes", "replicates")

    def __init__(self) -> None:
        self.groups: dict[str, _Group] = {}
        self.dropped = 0
        self.metrics: dict[str, None] = {}
        self.outcomes: Counter[str] = Counter()
        self.replicates: dict[str, None] = {}


class Summary:
    """Sums runs up by experiment and params."""

    def __init__(self) -> None:
        self._experiments: dict[str, _Experiment] = {}

    def __bool__(self) -> bool:
        return bool(self._experiments)

    def add(self, name: str, record: RunRecord, *, is_stored: bool = False) -> None:
        """Take a run in.

        Args:
            name: its experiment's name.
            record: the run.
            is_stored: whether it passed in an earlier session and was not executed again.
        """
        experiment = self._experiments.get(name)
        if experiment is None:
            experiment = self._experiments[name] = _Experiment()
        experiment.outcomes["stored" if is_stored else record.outcome or "interrupted"] += 1
        key = record.params
        if record.types is not None or any(f'"{name}":' in key for name in REPLICATE_PARAMS):
            of_group, replicate = split_params(readable_params(key, record.types), REPLICATE_PARAMS)
            experiment.replicates.update(dict.fromkeys(replicate))
            key = dump_json(of_group)
        group = experiment.groups.get(key)
        if group is None:
            if len(experiment.groups) >= KEPT_GROUPS:
                experiment.dropped += 1
                return
            group = experiment.groups[key] = _Group(key, record.position)
        group.runs += 1
        group.position = min(group.position, record.position)
        _add_metrics(experiment.metrics, group, record)

    def lines(self, width: int, *, everything: bool = False) -> Iterable[str]:
        """Yield the lines of the tables.

        Args:
            width: how long a line may be [characters].
            everything: whether all groups are shown, however many.
        """
        for name, experiment in sorted(self._experiments.items()):
            yield from _table(name, experiment, width, everything=everything)
            yield ""


def _add_metrics(metrics: dict[str, None], group: _Group, record: RunRecord) -> None:
    names = [name for kind, of_kind in record.columns[1] if kind in ("integer", "number") for name in of_kind]
    if not names:
        return
    fields = load_object(record.fields, "fields")
    for name in names:
        if name not in metrics:
            if len(metrics) >= MAX_METRICS:
                continue
            metrics[name] = None
        value = fields[name]
        group.means.setdefault(name, Mean()).add(math.nan if value is None else value)


def _table(name: str, experiment: _Experiment, width: int, *, everything: bool) -> Iterable[str]:
    groups = sorted(experiment.groups.values(), key=lambda group: group.position)
    yield _title(name, experiment)
    shown = groups if everything else groups[:MAX_GROUPS]
    found = [load_object(group.params, "params") for group in shown]
    params = list(dict.fromkeys(name for of_group in found for name in of_group))
    rows = [list(map(visible, [*params, "runs", *experiment.metrics]))]
    for group, of_group in zip(shown, found, strict=True):
        values = [_cell(of_group[name]) if name in of_group else "" for name in params]
        rows.append([*values, str(group.runs), *(str(group.means.get(metric, "")) for metric in experiment.metrics)])
    if len(rows[0]) > 1 or len(groups) > 1:
        yield from _aligned(rows, len(params), width)
    if experiment.dropped:
        yield f"  ... and {counted(len(groups) - len(shown), 'more group')}, and {counted(experiment.dropped, 'run')} of others"
    elif len(shown) < len(groups):
        yield f"  ... and {counted(len(groups) - len(shown), 'more group')} (-v shows all)"


def _title(name: str, experiment: _Experiment) -> str:
    outcomes = experiment.outcomes
    total = sum(outcomes.values())
    others = "".join(f", {outcomes[outcome]} {outcome}" for outcome in sorted(outcomes) if outcome != "passed")
    replicated = (
        experiment.replicates and experiment.metrics and any(group.runs > 1 for group in experiment.groups.values())
    )
    over = f", mean ± sd over {', '.join(experiment.replicates)}" if replicated else ""
    return f"{name}: {counted(total, 'run')}{others}{over}"


def _cell(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return visible(text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 3]}...")


def _aligned(rows: list[list[str]], names: int, width: int) -> Iterable[str]:
    """Align columns, names to the left and numbers to the right; columns that don't fit are counted."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    fitting = len(widths)
    while fitting > names + 1 and sum(widths[:fitting]) + 2 * fitting > width:
        fitting -= 1
    for row in rows:
        cells = [
            cell.ljust(w) if at < names else cell.rjust(w) for at, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        yield ("  " + "  ".join(cells[:fitting])).rstrip()
    if fitting < len(widths):
        yield f"  ... and {counted(len(widths) - fitting, 'more column')}: {', '.join(rows[0][fitting:])}"
