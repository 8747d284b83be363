"""How a candidate is compared with its history: the method that the data allow, and what it estimates.

Like is compared with like: replicates with the same replicates of earlier sessions, where there are some. What their seed does to a metric is
then on both sides, and cancels out.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from pytest_mltraq.stats import (
    Estimate,
    mean_and_sd,
    paired,
    predicted,
    residual_variance,
    t_quantile,
    welch,
    within_variance,
)

MIN_SESSIONS: Final = 5
"""Sessions from which a prediction interval is made: of fewer, its t quantiles are so wide that it decides nothing."""

MIN_PAIRS: Final = 3
"""Pairs from which a paired test is made: with two, only changes of more than six standard deviations are found."""

MIN_REPLICATES: Final = 2
"""Replicates on each side from which Welch's test is made: one has no variance."""

MIN_REPETITIONS: Final = 2
"""How often a value must have come back, and nothing else, to be taken for one that doesn't vary.

Once is no evidence: one of twenty values of an accuracy on 200 examples is the same as the one before by chance, and each second of the
next ones would be a false alarm.
"""

EXACT_RTOL: Final = 1e-9
"""Smaller changes of a metric that doesn't vary are rounding, such as of sums in another order."""

Values = dict[str, float]
"""The values of a sample by the keys of its replicates."""

Detectable = Callable[[int, float, float], float]
"""The minimum detectable change with a number of replicates, at an alpha and a power."""


class Comparison(NamedTuple):
    """What is compared with what, and by which method.

    Attributes:
        method: one of `metric.METHODS` but `auto`; None where the data don't allow the one that was asked for.
        values: the candidate's that are compared.
        window: the values of earlier sessions that they are compared with, the oldest first.
        newest: the place of the last of them among the sessions that were given.
        baseline: the mean of what they are compared with.
        baseline_sd: the standard deviation of its replicates, within sessions, as that of the candidate; of single runs, that of
            the sessions; NaN of one.
        estimate: of the change; None where nothing is estimated.
        detectable: what could be found with other numbers of replicates; None where that isn't known.
        least: the smallest number of replicates to ask for.
    """

    method: str | None
    values: Values
    window: Sequence[Values]
    newest: int
    baseline: float
    baseline_sd: float
    estimate: Estimate | None = None
    detectable: Detectable | None = None
    least: int = 1

    @property
    def change(self) -> float:
        """Candidate minus baseline."""
        return statistics.fmean(self.values.values()) - self.baseline if self.estimate is None else self.estimate.change


def choose(method: str, values: Values, window: Sequence[Values]) -> Comparison:
    """Compare by a method, or by the first one that the data allow.

    Args:
        method: one of `metric.METHODS`. One that is named needs no more data than it can be computed with.
        values: the candidate's, at least one.
        window: those of earlier sessions, the oldest first: at least one session, of at least one value each.
    """
    if method == "exact":
        return _exact(match(values, window) or Matched(values, window, len(window) - 1))
    if method == "auto":
        tried = (compare(values, window, least) for compare, least in _COMPARE.values())
        return next(found for found in tried if found is not None)
    compare, least = _COMPARE[method]
    found = compare(values, window, min(least, MIN_REPLICATES))
    return found or _compare(None, Matched(values, window[-1:], len(window) - 1))


class Matched(NamedTuple):
    """A candidate's values and those of earlier sessions to compare them with.

    Attributes:
        values: the candidate's.
        window: the sessions', the oldest first.
        newest: the place of the last of them among all sessions.
    """

    values: Values
    window: Sequence[Values]
    newest: int

    @property
    def repetitions(self) -> int:
        """How often replicates came back."""
        return len(self.values) * (len(self.window) - 1)

    @property
    def is_constant(self) -> bool:
        """Whether each replicate had one value in all sessions."""
        return all(_is_same([session[key] for session in self.window]) for key in self.values)


def match(values: Values, window: Sequence[Values]) -> Matched | None:
    """Keep the replicates that a candidate shares with most sessions of its window, and the sessions that have all of them.

    That half of the sessions have a replicate is enough, so that neither a session with fewer of them nor a change of their number
    some time ago leaves nothing to compare.

    Returns:
        What is kept, of both; None where nothing is shared.
    """
    counts = Counter(key for session in window for key in session)
    return _keep([key for key in values if 2 * counts[key] >= len(window)], values, window)


def _keep(keys: Sequence[str], values: Values, window: Sequence[Values]) -> Matched | None:
    places = [place for place, session in enumerate(window) if session.keys() >= set(keys)]
    if not keys or not places:
        return None
    sessions = [{key: window[place][key] for key in keys} for place in places]
    return Matched({key: values[key] for key in keys}, sessions, places[-1])


def _exact(matched: Matched) -> Comparison:
    """Compare with the newest session as what doesn't vary."""
    return _compare("exact", matched._replace(window=matched.window[-1:]))


def _compare_constant(values: Values, window: Sequence[Values], least: int) -> Comparison | None:
    """Compare exactly where each replicate had one value in all sessions, or all had the same."""
    matched = match(values, window)
    if matched is not None and matched.repetitions >= least and matched.is_constant:
        return _exact(matched)
    everything = [value for session in window for value in session.values()]
    is_constant = len(everything) > least and _is_same(everything)
    return _exact(Matched(values, window, len(window) - 1)) if is_constant else None


def _is_same(values: Sequence[float]) -> bool:
    return max(values) - min(values) <= EXACT_RTOL * max(map(abs, values))


def _compare_interval(values: Values, window: Sequence[Values], least: int) -> Comparison | None:
    """Compare with where the sessions' means predict the next one."""
    matched = match(values, window)
    if matched is not None and len(matched.window) >= least:
        within = residual_variance([list(session.values()) for session in matched.window])
        return _interval(matched, within, repeated=0)
    keys = {key for session in window for key in session}
    repeated = len(keys) if len(keys) < sum(map(len, window)) else 0
    everything = [*window, values] if repeated else window
    if len(window) < least or (repeated and max(map(len, everything)) == 1):
        return None
    within = within_variance([list(session.values()) for session in everything])
    return _interval(Matched(values, window, len(window) - 1), within, repeated)


def _interval(matched: Matched, within: float, repeated: int) -> Comparison:
    """Compare with an interval.

    Args:
        matched: what is compared.
        within: the variance of replicates within sessions, but for what is on both sides.
        repeated: as in `predicted`.
    """
    size = len(matched.values)
    sessions = [list(session.values()) for session in matched.window]
    estimate = predicted(list(matched.values.values()), sessions, repeated)
    # With more replicates a session varies less within, but not less than sessions do from each other.
    rest = max(0.0, estimate.error**2 - within / size)

    def detectable(n: int, alpha: float, power: float) -> float:
        return (t_quantile(1 - alpha, estimate.df) + t_quantile(power, estimate.df)) * math.sqrt(rest + within / n)

    known = detectable if within > 0 else None
    return _compare("interval", matched)._replace(estimate=estimate, detectable=known, least=size)


def _compare_paired(values: Values, window: Sequence[Values], least: int) -> Comparison | None:
    """Compare replicates with what the same ones were, on average over the sessions that have all of them."""
    matched = _keep(sorted(values.keys() & window[-1].keys()), values, window)
    if matched is None or len(matched.values) < least:
        return None
    before = _means(matched.window)
    differences = [value - before[key] for key, value in matched.values.items()]
    size = len(differences)
    estimate = paired(differences, max(map(abs, [*matched.values.values(), *before.values()])))
    sd = estimate.error * math.sqrt(size)

    def detectable(n: int, alpha: float, power: float) -> float:
        return (t_quantile(1 - alpha, n - 1) + t_quantile(power, n - 1)) * sd / math.sqrt(n)

    return _compare("paired", matched)._replace(estimate=estimate, detectable=detectable, least=size)


def _compare_welch(values: Values, window: Sequence[Values], least: int) -> Comparison | None:
    """Compare two samples; a replicate that several sessions have counts once, with its mean: it is no new one in each."""
    candidate, baseline = list(values.values()), list(_means(window).values())
    size = min(len(candidate), len(baseline))
    if size < least:
        return None
    (_, sd), (mean, base_sd) = mean_and_sd(candidate), mean_and_sd(baseline)

    def detectable(n: int, alpha: float, power: float) -> float:
        quantiles = t_quantile(1 - alpha, 2 * n - 2) + t_quantile(power, 2 * n - 2)
        return quantiles * math.sqrt((sd**2 + base_sd**2) / n)

    newest, estimate = len(window) - 1, welch(candidate, baseline)
    return Comparison("welch", values, window, newest, mean, base_sd, estimate, detectable, size)


def _compare_tolerance(values: Values, window: Sequence[Values], _: int) -> Comparison:
    """Compare by the tolerance alone."""
    return _compare("tolerance", match(values, window) or Matched(values, window, len(window) - 1))


def _compare(method: str | None, matched: Matched) -> Comparison:
    mean, sd = mean_and_sd([statistics.fmean(session.values()) for session in matched.window])
    if max(map(len, matched.window)) > 1:
        sd = math.sqrt(within_variance([list(session.values()) for session in matched.window]))
    return Comparison(method, *matched, mean, sd)


def _means(window: Sequence[Values]) -> Values:
    """Return the mean of each replicate over the sessions that have it."""
    found: dict[str, list[float]] = {}
    for session in window:
        for key, value in session.items():
            found.setdefault(key, []).append(value)
    return {key: statistics.fmean(numbers) for key, numbers in found.items()}


_COMPARE: Final[dict[str, tuple[Callable[[Values, Sequence[Values], int], Comparison | None], int]]] = {
    "exact": (_compare_constant, MIN_REPETITIONS),
    "interval": (_compare_interval, MIN_SESSIONS),
    "paired": (_compare_paired, MIN_PAIRS),
    "welch": (_compare_welch, MIN_REPLICATES),
    "tolerance": (_compare_tolerance, 1),
}
"""What compares by each method, None where the data don't allow it, and what it needs at least; in the order in which they are tried."""
