"""The level of a metric among the sessions of a window: a window that spans a change says little of what is usual now."""

from __future__ import annotations

import math
import statistics
from typing import Final

from pytest_mltraq.baseline import SHORT
from pytest_mltraq.compare import Sample
from pytest_mltraq.counting import counted
from pytest_mltraq.metric import Metric

MIN_SESSIONS: Final = 8
"""Sessions from which a level is looked for: fewer say nothing, and NumPy is not imported for them."""


def current_level(samples: list[Sample], metric: Metric) -> tuple[list[Sample], list[str]]:
    """Cut a window where the metric's level rose to the better for the last time.

    Where it fell to the worse, the window stays: a baseline doesn't go down because worse sessions were stored. Where neighbours
    resemble each other, change points would be found where there are none: then nothing is cut either.

    Args:
        samples: of the sessions, the oldest first.
        metric: what they are of.

    Returns:
        The samples since then, and what is to be said of it.
    """
    means = [_mean(sample) for sample in samples]
    if len(samples) < MIN_SESSIONS or len(set(means)) == 1:
        return samples, []
    from pytest_mltraq.change_points import find_change_points, is_autocorrelated

    found = find_change_points(means)
    if not found or is_autocorrelated(means, found):
        return samples, []
    start, before = found[-1], found[-2] if len(found) > 1 else 0
    change = statistics.fmean(means[start:]) - statistics.fmean(means[before:start])
    if not math.isfinite(change):
        return samples, []
    where = _place(samples[start])
    if metric.sign * change > 0:
        return samples[start:], [
            f"its level changed to the better at {where}: {counted(start, 'session')} before it left out"
        ]
    since = len(samples) - start
    return samples, [
        f"its level changed to the worse at {where}, {counted(since, 'session')} ago: see `pytest-mltraq history`"
    ]


def _mean(sample: Sample) -> float:
    return statistics.fmean(one.value for one in sample.replicates if one.value is not None)


def _place(sample: Sample) -> str:
    return sample.commit[:SHORT] if sample.commit else f"session {sample.id_session[:8]}"
