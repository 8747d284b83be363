"""Runs in groups of the same params, with the mean of each metric over replicates."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_mltraq.report.terminal import Mean

if TYPE_CHECKING:
    from pytest_mltraq.storage.details import Outcome

FAILURES: Final = 10
"""Runs that did not pass and are listed; the others are counted."""

_NOT_FINITE: Final = ("float", "numpy.scalar")
"""Types of numbers that JSON doesn't say."""


class Group(NamedTuple):
    """Runs with the same params, but for those of replicates.

    Attributes:
        params: what they share, as people read it.
        outcomes: how many have which outcome.
        means: of each metric that one of them set.
        extremes: the lowest and highest value of each; NaN where one is.
    """

    params: dict[str, Any]
    outcomes: Counter[str]
    means: dict[str, Mean]
    extremes: dict[str, tuple[float, float]]


class Grouped(NamedTuple):
    """The runs of a version of an experiment.

    Attributes:
        groups: in the order of their first runs.
        failures: the first runs that did not pass.
        outcomes: how many have which outcome.
        over: params of replicates that there are.
    """

    groups: list[Group]
    failures: list[Outcome]
    outcomes: Counter[str]
    over: list[str]


def group_runs(found: Iterable[Outcome], over: Iterable[str]) -> Grouped:
    """Group runs.

    Args:
        found: the runs, one by one: there may be more than memory holds.
        over: params over which runs are replicates of each other.
    """
    from pytest_mltraq.codec import dump_json
    from pytest_mltraq.groups import readable_params, split_params
    from pytest_mltraq.storage.listing import NOT_EXECUTED

    groups: dict[str, Group] = {}
    failures: list[Outcome] = []
    replicated: dict[str, None] = {}
    for run in found:
        params, of_replicate = split_params(readable_params(run.params, run.types), over)
        replicated.update(dict.fromkeys(of_replicate))
        group = groups.setdefault(dump_json(params), Group(params, Counter(), {}, {}))
        group.outcomes[run.outcome or NOT_EXECUTED] += 1
        if run.outcome != "passed" and len(failures) < FAILURES:
            failures.append(run)
        _add(group, run)
    outcomes = sum((group.outcomes for group in groups.values()), Counter())
    return Grouped(list(groups.values()), failures, outcomes, list(replicated))


def _add(group: Group, run: Outcome) -> None:
    from pytest_mltraq.codec import load_object, load_types

    types = load_types(run.types, "fields", "types")
    for name, value in load_object(run.fields, "fields").items():
        number = _number(value, types.get(name))
        if number is None:
            continue
        group.means.setdefault(name, Mean()).add(number)
        lowest, highest = group.extremes.get(name, (number, number))
        group.extremes[name] = _either(min, lowest, number), _either(max, highest, number)


def _either(choose: Callable[[float, float], float], one: float, other: float) -> float:
    return math.nan if math.isnan(one) or math.isnan(other) else choose(one, other)


def _number(value: Any, entry: Any) -> float | None:
    """Return a field's number; NaN where it is none that JSON says, None where it isn't one at all."""
    if value is None:
        return math.nan if entry is not None and entry[0] in _NOT_FINITE else None
    return float(value) if type(value) in (int, float) else None
