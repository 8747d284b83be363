"""Candidate and baseline to a verdict. Pure functions: no database, no pytest, nothing but the standard library.

A metric of a group of runs is judged by the first of these that its data allow, or by the one that it names:

=============  ==========================================================================================================
method         used where, and what it says
=============  ==========================================================================================================
``exact``      the history doesn't vary: any change beyond the tolerance counts
``interval``   five or more sessions: where their means predict the next one (a t prediction interval)
``paired``     three or more replicates with a counterpart in the newest session: t of the differences
``welch``      two or more replicates on both sides
``tolerance``  less than that: the tolerance alone, which is no statistics, and said to be none
=============  ==========================================================================================================

The interval comes before pairs, because many sessions say more of what is usual than one: on real histories it finds four of five
damages, where pairs with the newest session find one of six, at the same alpha (see the documentation). Tests are one-sided. A metric has **regressed** where its mean is worse by more
than the tolerance and the test rejects at alpha, after Benjamini and Hochberg's correction for all metrics of the session.
"""

from __future__ import annotations

import datetime
import math
import statistics
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from pytest_mltraq.metric import Metric
from pytest_mltraq.stats import (
    Estimate,
    benjamini_hochberg,
    mean_and_sd,
    needed,
    paired,
    predicted,
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

_OF_MANY: Final = ("interval", "tolerance", None)
"""Methods that compare with all sessions of a window; the others do with the newest."""

EXACT_RTOL: Final = 1e-9
"""Smaller changes of a metric that doesn't vary are rounding, such as of sums in another order."""


class Replicate(NamedTuple):
    """A run of a group.

    Attributes:
        key: what tells it apart from the others of its group, and pairs it with its counterpart in another session.
        value: the metric; None where the run didn't set it.
        outcome: the run's.
    """

    key: str
    value: float | None
    outcome: str | None


class Sample(NamedTuple):
    """The replicates of a group of runs in one session.

    Attributes:
        id_session: the session.
        started_at: when it began.
        commit: its commit, or None.
        branch: its branch, or None.
        version: of the metric's definition.
        replicates: the runs.
    """

    id_session: str
    started_at: datetime.datetime
    commit: str | None
    branch: str | None
    version: str | None
    replicates: tuple[Replicate, ...]


class Verdict(NamedTuple):
    """What was found of a metric of a group of runs.

    Attributes:
        experiment: the experiment's name.
        metric: the metric's name.
        params: what the runs of the group have in common.
        verdict: `improved`, `unchanged`, `regressed`, `undecided`, `new` or `missing`.
        fails: whether the gate fails for it.
        reason: why, in words.
        method: how it was found; None where nothing was compared.
        n: replicates of the candidate that count.
        mean: their mean.
        sd: their standard deviation, with n - 1; None of one.
        baseline_session: the newest session that it was compared with.
        baseline_n: replicates that it was compared with, of all sessions.
        baseline_mean: the mean of what it was compared with.
        baseline_sd: its standard deviation: of the sessions' means where there are several, else of the replicates.
        change: candidate minus baseline; of pairs, the mean of the differences.
        low: the confidence interval of the change, at 1 - 2 alpha: it is beyond 0 where the test rejects.
        high: its other end.
        p_value: the probability of a change this large in its direction, where there is none; None without statistics.
        q_value: the same, corrected for the number of metrics of the session.
        minimum_detectable_change: the smallest change that would have been found with the metric's power.
        needed_replicates: with how many replicates the change that was seen, or the tolerance, could be decided.
        tolerance: how large a change doesn't matter.
        alpha: the metric's.
        sign: 1 where more is better, -1 where less is.
    """

    experiment: str
    metric: str
    params: Mapping[str, Any]
    verdict: str
    fails: bool
    reason: str
    method: str | None = None
    n: int = 0
    mean: float | None = None
    sd: float | None = None
    baseline_session: str | None = None
    baseline_n: int = 0
    baseline_mean: float | None = None
    baseline_sd: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    q_value: float | None = None
    minimum_detectable_change: float | None = None
    needed_replicates: int | None = None
    tolerance: float = 0.0
    alpha: float = 0.05
    sign: int = 1


Values = dict[str, float]
"""The values of a sample by the keys of its replicates."""


def judge(
    experiment: str, metric: Metric, params: Mapping[str, Any], candidate: Sample, history: Sequence[Sample]
) -> Verdict:
    """Judge a metric of a group of runs.

    Args:
        experiment: the experiment's name.
        metric: what is judged, and how.
        params: what the runs of the group have in common.
        candidate: the runs.
        history: the sessions that it is compared with, the oldest first; of one or many.

    Returns:
        The verdict. Where a test was made, it is as if the metric were the only one: `correct` takes all of a session.
    """
    set_values = [one.value for one in candidate.replicates if one.value is not None]
    finite = {one.key: one.value for one in candidate.replicates if one.value is not None and math.isfinite(one.value)}
    mean, sd = mean_and_sd(list(finite.values())) if finite else (None, None)
    start = Verdict(
        experiment,
        metric.name,
        params,
        "missing",
        fails=True,
        reason="",
        n=len(finite),
        mean=mean,
        sd=sd if sd is not None and not math.isnan(sd) else None,
        alpha=metric.alpha,
        sign=metric.sign,
    )
    if mean is None or len(finite) < len(set_values):
        return start._replace(reason=_why_missing(metric, candidate, len(set_values), len(finite)))
    compared = _judge_change(start, metric, finite, mean, candidate, history)
    return _judge_completeness(_judge_limits(compared, metric, mean), metric, candidate)


def absent(experiment: str, metric: Metric, params: Mapping[str, Any], history: Sequence[Sample]) -> Verdict:
    """Return the verdict of a group that the baseline has and the candidate hasn't."""
    values = [value for sample in history for value in _good_values(sample).values()]
    return Verdict(
        experiment,
        metric.name,
        params,
        "missing",
        fails=True,
        reason="the baseline has runs with these params, this session has none",
        baseline_session=history[-1].id_session if history else None,
        baseline_n=len(values),
        baseline_mean=statistics.fmean(values) if values else None,
        alpha=metric.alpha,
        sign=metric.sign,
    )


def correct(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Correct the verdicts of a session for their number.

    The q-values are Benjamini and Hochberg's of the tests for a change to the worse, and apart from those of the tests for one to the
    better, each over all metrics that were tested. With no metric changed, the probability that any is taken for a regressed one is alpha,
    however many there are; and of those that are, no more than alpha are expected to be false.
    """
    tested = [at for at, verdict in enumerate(verdicts) if verdict.p_value is not None]
    worse = benjamini_hochberg([_p_worse(verdicts[at]) for at in tested])
    better = benjamini_hochberg([1 - _p_worse(verdicts[at]) for at in tested])
    corrected = list(verdicts)
    for at, q_worse, q_better in zip(tested, worse, better, strict=True):
        verdict = verdicts[at]
        corrected[at] = _decide(verdict, q_worse if _is_worse(verdict) else q_better)
    return corrected


def confirm(first: Verdict, second: Verdict) -> Verdict:
    """Take a second look, with fresh seeds, at a verdict that fails the gate.

    The first one stands where the second one's change is to the worse, too, by more than the tolerance; else it is undecided. A
    second look can only take a failure back. So it can't raise the share of false alarms, whatever it sees; and since its seeds
    are independent of the first's, an unchanged metric is worse again in no more than half of them: the share is at most alpha / 2.

    What doesn't vary (`exact`), broke a limit there too, or is missing, is as it was.
    """
    if not first.fails or first.method == "exact" or first.verdict != "regressed":
        return first
    if second.verdict == "missing" or second.mean is None:
        return first._replace(reason=f"{first.reason}; the second look has no value")
    seen = f"{second.n} fresh {'run' if second.n == 1 else 'runs'} with a mean of {second.mean:.4g}"
    if second.fails or (second.change is not None and -second.sign * second.change > second.tolerance):
        return first._replace(reason=f"{first.reason}; confirmed by {seen}")
    return first._replace(verdict="undecided", fails=False, reason=f"{first.reason}; not confirmed by {seen}")


def _why_missing(metric: Metric, candidate: Sample, given: int, finite: int) -> str:
    runs = len(candidate.replicates)
    if not given:
        failed = sum(one.outcome != "passed" for one in candidate.replicates)
        return f"no run set {metric.name!r}" + (f" ({failed} of {runs} failed)" if failed else "")
    return f"{given - finite} of {given} values are NaN or infinite"


def _judge_completeness(verdict: Verdict, metric: Metric, candidate: Sample) -> Verdict:
    """Don't let a verdict look good that doesn't rest on all runs of the group."""
    runs = len(candidate.replicates)
    failed = sum(one.outcome != "passed" for one in candidate.replicates)
    unset = sum(one.value is None and one.outcome == "passed" for one in candidate.replicates)
    if verdict.fails or not (failed or unset):
        return verdict
    if unset:
        reason = f"{unset} of {runs} runs did not set {metric.name!r}"
        return verdict._replace(verdict="missing", fails=True, reason=reason, p_value=None)
    reason = f"{failed} of {runs} runs failed; of the others: {verdict.reason}"
    return verdict._replace(verdict="undecided", reason=reason, p_value=None)


def _judge_limits(verdict: Verdict, metric: Metric, mean: float) -> Verdict:
    """Judge the mean by the metric's own limits, which need no baseline."""
    broken = None
    if metric.min is not None and mean < metric.min:
        broken = f"the mean {mean:.6g} is below min={metric.min:g}"
    elif metric.max is not None and mean > metric.max:
        broken = f"the mean {mean:.6g} is above max={metric.max:g}"
    if broken is None:
        return verdict
    compared = "" if verdict.change is None else f"; compared with the baseline: {verdict.reason}"
    return verdict._replace(verdict="regressed", fails=True, reason=broken + compared, p_value=None)


def _judge_change(
    start: Verdict,
    metric: Metric,
    values: Values,
    mean: float,
    candidate: Sample,
    history: Sequence[Sample],
) -> Verdict:
    usable = [(sample, _good_values(sample)) for sample in history if sample.version == candidate.version]
    past = [(sample, good) for sample, good in usable if good]
    if not past:
        return start._replace(verdict="new", fails=False, reason=_why_new(metric, candidate, history))
    window = [good for _, good in past]
    method = _choose(metric, values, window)
    if method not in _OF_MANY:
        window = window[-1:]
    everything = [value for good in window for value in good.values()]
    means = [statistics.fmean(good.values()) for good in window]
    center, spread = mean_and_sd(means if len(window) > 1 else everything)
    compared = start._replace(
        baseline_session=past[-1][0].id_session,
        baseline_n=len(everything),
        baseline_mean=center,
        baseline_sd=None if math.isnan(spread) else spread,
        change=mean - center,
        tolerance=metric.tolerance(center),
    )
    if method == "exact":
        return _judge_exact(compared, values, window)
    if method is None or method == "tolerance":
        return _judge_tolerance(compared, metric, forced=metric.method if method is None else None)
    estimate, detectable, least = _ESTIMATES[method](values, window)
    return _judge_estimate(compared, metric, method, estimate, detectable, least)


def _good_values(sample: Sample) -> Values:
    """Return what can be compared with: the finite values of runs that passed."""
    return {
        one.key: one.value
        for one in sample.replicates
        if one.outcome == "passed" and one.value is not None and math.isfinite(one.value)
    }


def _why_new(metric: Metric, candidate: Sample, history: Sequence[Sample]) -> str:
    others = [sample.version for sample in history if sample.version != candidate.version]
    if others:
        return f"its definition changed: version {candidate.version or 'none'}, the baseline has {others[-1] or 'none'}"
    if history:
        return f"no run of the baseline that passed has {metric.name!r}"
    return "there is nothing to compare with"


def _choose(metric: Metric, values: Values, window: Sequence[Values]) -> str | None:
    """Return the method that the data allow; None where the metric names one that they don't."""
    allowed = {
        "exact": _is_constant(window),
        "interval": len(window) >= MIN_SESSIONS,
        "paired": len(values.keys() & window[-1].keys()) >= MIN_PAIRS,
        "welch": min(len(values), len(window[-1])) >= MIN_REPLICATES,
        "tolerance": True,
    }
    if metric.method == "auto":
        return next(method for method, is_allowed in allowed.items() if is_allowed)
    if metric.method == "exact":
        return "exact"
    if metric.method == "interval":
        return "interval" if len(window) >= MIN_REPLICATES else None
    if metric.method == "paired":
        return "paired" if len(values.keys() & window[-1].keys()) >= MIN_REPLICATES else None
    return metric.method if allowed[metric.method] else None


def _is_constant(window: Sequence[Values]) -> bool:
    """Whether a history doesn't vary: each replicate had one value in all sessions, or all had the same."""
    seen: dict[str, list[float]] = {}
    for values in window:
        for key, value in values.items():
            seen.setdefault(key, []).append(value)
    repeated = [found for found in seen.values() if len(found) > 1]
    everything = [value for found in seen.values() for value in found]
    of_one_key = bool(repeated) and len(repeated) == len(seen) and all(map(_is_same, repeated))
    return of_one_key or (len(everything) > 1 and _is_same(everything))


def _is_same(values: Sequence[float]) -> bool:
    return max(values) - min(values) <= EXACT_RTOL * max(map(abs, values))


def _judge_exact(verdict: Verdict, values: Values, window: Sequence[Values]) -> Verdict:
    shared = values.keys() & window[-1].keys()
    if shared:
        change = statistics.fmean(values[key] - window[-1][key] for key in sorted(shared))
        verdict = verdict._replace(change=change)
    change, size = verdict.change or 0.0, max(abs(verdict.baseline_mean or 0.0), abs(verdict.mean or 0.0))
    tolerance = max(verdict.tolerance, EXACT_RTOL * size)
    verdict = verdict._replace(method="exact", tolerance=tolerance, minimum_detectable_change=tolerance)
    if abs(change) <= tolerance:
        return _unchanged(verdict, "it is the same" if abs(change) <= EXACT_RTOL * size else "within the tolerance")
    what = f"its history doesn't vary, and it changed by {change:+.4g}"
    return _changed(verdict, what)


def _judge_tolerance(verdict: Verdict, metric: Metric, forced: str | None) -> Verdict:
    """Judge by the tolerance alone, where there is too little of everything for more."""
    change = verdict.change or 0.0
    verdict = verdict._replace(method="tolerance")
    short = f"too little data for {forced or 'statistics'}"
    has_tolerance = metric.rtol is not None or metric.atol is not None
    if change == 0:
        return _unchanged(verdict, f"the same value; {short}")
    if has_tolerance and abs(change) <= verdict.tolerance:
        return _unchanged(verdict, f"within the tolerance of {verdict.tolerance:.4g}, which is no statistics: {short}")
    if has_tolerance:
        return _changed(verdict, f"beyond the tolerance of {verdict.tolerance:.4g}, which is no statistics: {short}")
    advice = f"{MIN_PAIRS} replicates with the same seeds on both sides, or {MIN_SESSIONS} sessions, would decide"
    return verdict._replace(
        verdict="undecided", fails=False, reason=f"{short}: {advice}", needed_replicates=max(MIN_PAIRS, verdict.n + 1)
    )


def _judge_estimate(
    verdict: Verdict, metric: Metric, method: str, estimate: Estimate, detectable: Any, least: int
) -> Verdict:
    """Judge by a test."""
    low, high = estimate.interval(metric.alpha)
    p_lower = estimate.p_lower()
    p_worse = p_lower if metric.sign > 0 else 1 - p_lower
    found = verdict._replace(
        method=method,
        change=estimate.change,
        low=low,
        high=high,
        minimum_detectable_change=estimate.minimum_detectable_change(metric.alpha, metric.power),
    )
    found = found._replace(p_value=p_worse if _is_worse(found) else 1 - p_worse)
    target = max(abs(estimate.change), found.tolerance)
    if target > 0 and estimate.error > 0:
        quantiles = partial(detectable, alpha=metric.alpha, power=metric.power)
        found = found._replace(needed_replicates=needed(quantiles, target, least))
    return _decide(found, found.p_value)


def _is_worse(verdict: Verdict) -> bool:
    return verdict.sign * (verdict.change or 0.0) < 0


def _p_worse(verdict: Verdict) -> float:
    p_value = verdict.p_value or 0.0
    return p_value if _is_worse(verdict) else 1 - p_value


def _decide(verdict: Verdict, q_value: float | None) -> Verdict:
    """Decide by the corrected p-value of the change's direction."""
    p, q, change = verdict.p_value or 0.0, q_value or 0.0, verdict.change or 0.0
    verdict = verdict._replace(q_value=q, fails=False)
    is_large = abs(change) > verdict.tolerance
    said = f"changed by {change:+.4g} (p = {p:.2g})"
    if is_large and q <= verdict.alpha:
        return _changed(verdict, said)
    if not is_large or not _is_worse(verdict):
        within = "no more than chance" if q > verdict.alpha else f"within the tolerance of {verdict.tolerance:.4g}"
        return _unchanged(verdict, f"{said}: {within}")
    if p <= verdict.alpha:
        return _undecided(verdict, f"{said}, which is too little for one of many metrics (q = {q:.2g})")
    if verdict.tolerance > 0:
        return _undecided(verdict, f"{said}: worse than the tolerance of {verdict.tolerance:.4g}, but maybe chance")
    return _unchanged(verdict, f"{said}: no more than chance")


def _undecided(verdict: Verdict, reason: str) -> Verdict:
    many = verdict.needed_replicates
    advice = "more sessions would decide" if many is None else f"{many} replicates would decide"
    return verdict._replace(verdict="undecided", fails=False, reason=f"{reason}; {advice}")


def _unchanged(verdict: Verdict, reason: str) -> Verdict:
    return verdict._replace(verdict="unchanged", fails=False, reason=reason)


def _changed(verdict: Verdict, reason: str) -> Verdict:
    is_worse = _is_worse(verdict)
    return verdict._replace(verdict="regressed" if is_worse else "improved", fails=is_worse, reason=reason)


def _estimate_paired(values: Values, window: Sequence[Values]) -> tuple[Estimate, Any, int]:
    before = window[-1]
    keys = sorted(values.keys() & before.keys())
    differences = [values[key] - before[key] for key in keys]
    estimate = paired(differences, max(abs(number) for key in keys for number in (values[key], before[key])))
    sd = estimate.error * math.sqrt(len(keys))

    def detectable(n: int, alpha: float, power: float) -> float:
        return (t_quantile(1 - alpha, n - 1) + t_quantile(power, n - 1)) * sd / math.sqrt(n)

    return estimate, detectable, len(keys)


def _estimate_interval(values: Values, window: Sequence[Values]) -> tuple[Estimate, Any, int]:
    sessions = [list(good.values()) for good in window]
    estimate = predicted(list(values.values()), sessions)
    # With more replicates a session varies less within, but not less than sessions do from each other.
    within = within_variance(sessions)
    rest = max(0.0, estimate.error**2 - within / len(values))

    def detectable(n: int, alpha: float, power: float) -> float:
        return (t_quantile(1 - alpha, estimate.df) + t_quantile(power, estimate.df)) * math.sqrt(rest + within / n)

    return estimate, detectable, len(values)


def _estimate_welch(values: Values, window: Sequence[Values]) -> tuple[Estimate, Any, int]:
    candidate, baseline = list(values.values()), list(window[-1].values())
    estimate = welch(candidate, baseline)
    variance = mean_and_sd(candidate)[1] ** 2 + mean_and_sd(baseline)[1] ** 2

    def detectable(n: int, alpha: float, power: float) -> float:
        return (t_quantile(1 - alpha, 2 * n - 2) + t_quantile(power, 2 * n - 2)) * math.sqrt(variance / n)

    return estimate, detectable, MIN_REPLICATES


_ESTIMATES: Final = {"paired": _estimate_paired, "interval": _estimate_interval, "welch": _estimate_welch}
"""What each test estimates: the change, its minimum detectable change by the number of replicates, and how many there are."""
