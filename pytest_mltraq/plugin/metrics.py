"""Metrics, as markers and the ini file declare them."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import pytest

from pytest_mltraq.errors import ConfigurationError
from pytest_mltraq.metric import Metric, make_metric, parse_metric, to_plain
from pytest_mltraq.plugin.declaration import place

IniMetrics = tuple[tuple[str | None, Metric], ...]
"""Metrics of the ini file, each with the pattern of the experiments that it is meant for; None for all."""


class DeclaredMetric(NamedTuple):
    """A metric of an experiment.

    Attributes:
        metric: what is judged, and how.
        is_optional: whether it is judged only where the experiment has it: the ini file speaks of experiments that it
            doesn't know. What a marker names must be there.
    """

    metric: Metric
    is_optional: bool

    def plain(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {**to_plain(self.metric), "optional": self.is_optional}


def read_ini(lines: Iterable[str]) -> IniMetrics:
    """Read the metrics of the ini file.

    Raises:
        pytest.UsageError: a line is wrong.
    """
    found = []
    for line in lines:
        try:
            found.append(parse_metric(line))
        except ConfigurationError as error:
            message = f"mltraq_metrics: {line.strip()!r}: {error}"
            raise pytest.UsageError(message) from error
    return tuple(found)


def find_metrics(
    function: Any, collector: pytest.Collector, experiment: str, ini: IniMetrics
) -> tuple[DeclaredMetric, ...]:
    """Return the metrics of an experiment: those of its markers, and those of the ini file that have another name.

    A marker of the function hides one of its class or module for the same metric.

    Raises:
        collector.CollectError: a marker is wrong, or two of the function name one metric.
    """
    own = [_read(mark, function, collector) for mark in reversed(own_marks(function))]
    names = [metric.name for metric in own]
    for name in names:
        if names.count(name) > 1:
            message = f"{place(function)}: the marker metric names {name!r} twice: say all of it in one"
            raise collector.CollectError(message)
    found = {metric.name: DeclaredMetric(metric, is_optional=False) for metric in own}
    for mark in collector.iter_markers("metric"):
        metric = _read(mark, function, collector)
        found.setdefault(metric.name, DeclaredMetric(metric, is_optional=False))
    for pattern, metric in ini:
        if is_meant(pattern, experiment):
            found.setdefault(metric.name, DeclaredMetric(metric, is_optional=True))
    return tuple(found.values())


def is_meant(pattern: str | None, experiment: str) -> bool:
    """Whether a line of the ini file is meant for an experiment."""
    return pattern is None or fnmatchcase(experiment, pattern)


def own_marks(function: Any) -> list[pytest.Mark]:
    """Return the `metric` markers of a function itself, the one nearest to it first."""
    return [mark for mark in getattr(function, "pytestmark", []) if mark.name == "metric"]


def refuse_marks_of_params(item: pytest.Function) -> None:
    """Refuse a metric of one value on an axis: a metric is the experiment's, and its groups are judged each.

    Raises:
        pytest.UsageError: the item has one.
    """
    known = [*own_marks(item.function), *(item.parent.iter_markers("metric") if item.parent is not None else ())]
    for mark in item.iter_markers("metric"):
        if mark not in known:
            message = (
                f"{item.nodeid}: the marker metric is for experiments, not for a param: put it on {item.originalname}"
            )
            raise pytest.UsageError(message)


def _read(mark: pytest.Mark, function: Any, collector: pytest.Collector) -> Metric:
    try:
        return make_metric(*mark.args, **mark.kwargs)
    except ConfigurationError as error:
        shown = ", ".join([*map(repr, mark.args), *(f"{name}={value!r}" for name, value in mark.kwargs.items())])
        message = f"{place(function)}: the marker metric({shown}): {error}"
        raise collector.CollectError(message) from None
