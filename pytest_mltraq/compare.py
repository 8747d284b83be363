"""Candidate and baseline to a verdict. Pure functions: no database, no pytest, nothing but the standard library.

A metric of a group of runs is judged by the first of these that its data allow, or by the one that it names:

=============  ==========================================================================================================
method         used where, and what it says
=============  ==========================================================================================================
``exact``      the history doesn't vary: any change beyond the tolerance counts
``interval``   five or more sessions: where their means predict the next one (a t prediction interval)
``paired``     three or more replicates with a counterpart in the newest session: t of the differences
``welch``      two or more replicates on both sides, with other seeds
``tolerance``  less than that: the tolerance alone, which is no statistics, and said to be none
=============  ==========================================================================================================

The interval comes before pairs, because many sessions say more of what is usual than one (see the documentation). Tests are one-sided. A
metric has **regressed** where its mean is worse by more than the tolerance and the test rejects at alpha, after Benjamini and
Hochberg's correction for all metrics of the session.
"""

from __future__ import annotations

import datetime
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pytest_mltraq.methods import EXACT_RTOL, MIN_PAIRS, MIN_SESSIONS, Comparison, Values, choose
from pytest_mltraq.metric import Metric
from pytest_mltraq.stats import Estimate, benjamini_hochberg, mean_and_sd, needed, probability


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
        baseline_sd: the standard deviation of its replicates, within sessions; of single runs, from session to session.
        change: candidate minus baseline; of pairs, the mean of the differences.
        low: the confidence interval of the change, at 1 - 2 alpha: it is beyond 0 where the test rejects.
        high: its other end.
        p_value: the probability of a change this large in its direction, where there is none; None without statistics.
        q_value: the same, corrected for the number of metrics of the session.
        minimum_detectable_change: the smallest change that would have been found with the metric's power, had no other one changed.
        needed_replicates: with how many replicates the change that was seen, or the tolerance, could be decided.
        tolerance: how large a change doesn't matter.
        alpha: the metric's.
        sign: 1 where more is better, -1 where less is.
        limit: the limit that the mean broke, or None.
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
    limit: float | None = None


def judge(
    experiment: str,
    metric: Metric,
    params: Mapping[str, Any],
    candidate: Sample,
    history: Sequence[Sample],
    *,
    tests: int = 1,
) -> Verdict:
    """Judge a metric of a group of runs.

    Args:
        experiment: the experiment's name.
        metric: what is judged, and how.
        params: what the runs of the group have in common.
        candidate: the runs.
        history: the sessions that it is compared with, the oldest first; of one or many.
        tests: how many metrics of the session are tested. What would have been found, and how many replicates are needed, is said for
            one that changed alone among so many: `correct` asks more of it than if it were the only one.

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
    compared = _judge_change(start, metric, finite, mean, candidate, history, tests)
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
        reason="no run has these params any more; where that is meant, `pytest-mltraq accept` says so",
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


def _why_missing(metric: Metric, candidate: Sample, given: int, finite: int) -> str:
    runs = len(candidate.replicates)
    if not given:
        failed = sum(one.outcome != "passed" for one in candidate.replicates)
        return f"no run set {metric.name!r} to a number" + (f" ({failed} of {runs} failed)" if failed else "")
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
    if metric.min is not None and mean < metric.min:
        limit, broken = metric.min, f"the mean {mean:.6g} is below min={metric.min:g}"
    elif metric.max is not None and mean > metric.max:
        limit, broken = metric.max, f"the mean {mean:.6g} is above max={metric.max:g}"
    else:
        return verdict
    compared = "" if verdict.change is None else f"; compared with the baseline: {verdict.reason}"
    return verdict._replace(verdict="regressed", fails=True, reason=broken + compared, p_value=None, limit=limit)


def _judge_change(
    start: Verdict,
    metric: Metric,
    values: Values,
    mean: float,
    candidate: Sample,
    history: Sequence[Sample],
    tests: int,
) -> Verdict:
    usable = [(sample, _good_values(sample)) for sample in history if sample.version == candidate.version]
    past = [(sample, good) for sample, good in usable if good]
    if not past:
        return start._replace(verdict="new", fails=False, reason=_why_new(metric, candidate, history))
    comparison = choose(metric.method, values, [good for _, good in past])
    spread, center = comparison.baseline_sd, comparison.baseline
    compared = start._replace(
        baseline_session=past[comparison.newest][0].id_session,
        baseline_n=sum(map(len, comparison.window)),
        baseline_mean=center,
        baseline_sd=None if math.isnan(spread) else spread,
        change=comparison.change,
        tolerance=metric.tolerance(center),
        method=comparison.method or "tolerance",
    )
    if comparison.method == "exact":
        return _judge_exact(compared)
    if comparison.estimate is None:
        return _judge_tolerance(compared, metric, forced=metric.method if comparison.method is None else None)
    return _judge_estimate(compared, metric, comparison, comparison.estimate, tests)


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


def _judge_exact(verdict: Verdict) -> Verdict:
    change, size = verdict.change or 0.0, max(abs(verdict.baseline_mean or 0.0), abs(verdict.mean or 0.0))
    advice = "" if verdict.tolerance else "; rtol or atol say which changes don't matter"
    tolerance = max(verdict.tolerance, EXACT_RTOL * size)
    verdict = verdict._replace(tolerance=tolerance, minimum_detectable_change=tolerance)
    if abs(change) <= tolerance:
        is_same = abs(change) <= EXACT_RTOL * size
        return _unchanged(verdict, "the same" if is_same else f"{_size(verdict)}, {_within(verdict)}")
    return _changed(verdict, f"{_size(verdict)}, and before it was always the same{advice}")


def _judge_tolerance(verdict: Verdict, metric: Metric, forced: str | None) -> Verdict:
    """Judge by the tolerance alone, where there is too little of everything for more."""
    change = verdict.change or 0.0
    short = f"too little data for {forced or 'statistics'}"
    chance = f"{short}: it may be chance"
    has_tolerance = metric.rtol is not None or metric.atol is not None
    if change == 0:
        return _unchanged(verdict, f"the same; {short}")
    if has_tolerance and abs(change) <= verdict.tolerance:
        return _unchanged(verdict, f"{_size(verdict)}, {_within(verdict)}; {chance}")
    if has_tolerance:
        return _changed(verdict, f"{_size(verdict)}, {_beyond(verdict)}; {chance}")
    advice = f"{MIN_PAIRS} replicates with the same seeds on both sides, or {MIN_SESSIONS} sessions, would decide"
    reason = f"{_size(verdict)}; {short}: {advice}"
    return verdict._replace(
        verdict="undecided", fails=False, reason=reason, needed_replicates=max(MIN_PAIRS, verdict.n + 1)
    )


def _judge_estimate(
    verdict: Verdict, metric: Metric, comparison: Comparison, estimate: Estimate, tests: int
) -> Verdict:
    """Judge by a test."""
    low, high = estimate.interval(metric.alpha)
    p_lower = estimate.p_lower()
    p_worse = p_lower if metric.sign > 0 else 1 - p_lower
    alpha = metric.alpha / tests
    reach = estimate.minimum_detectable_change(alpha, metric.power, verdict.tolerance)
    found = verdict._replace(low=low, high=high, minimum_detectable_change=reach)
    found = found._replace(p_value=p_worse if _is_worse(found) else 1 - p_worse)
    target, detectable = max(abs(estimate.change), found.tolerance), comparison.detectable
    if target > 0 and estimate.error > 0 and detectable is not None:
        many = needed(lambda n: detectable(n, alpha, metric.power), target, comparison.least)
        found = found._replace(needed_replicates=many)
    return _decide(found, found.p_value)


def _is_worse(verdict: Verdict) -> bool:
    return verdict.sign * (verdict.change or 0.0) < 0


def _p_worse(verdict: Verdict) -> float:
    p_value = verdict.p_value or 0.0
    return p_value if _is_worse(verdict) else 1 - p_value


def _decide(verdict: Verdict, q_value: float | None) -> Verdict:
    """Decide by the corrected p-value of the change's direction."""
    p, q = verdict.p_value or 0.0, q_value or 0.0
    verdict = verdict._replace(q_value=q, fails=False)
    is_large, size = abs(verdict.change or 0.0) > verdict.tolerance, _size(verdict)
    if is_large and q <= verdict.alpha:
        beyond = f"{_beyond(verdict)} and more than chance" if verdict.tolerance > 0 else "more than chance"
        return _changed(verdict, f"{size}, {beyond} (p {probability(p)})")
    if not is_large or not _is_worse(verdict):
        return _unchanged(verdict, _by_chance(verdict, p) if q > verdict.alpha else f"{size}, {_within(verdict)}")
    if p <= verdict.alpha:
        return _undecided(
            verdict,
            f"{size}, more than chance would do to one metric (p {probability(p)}), but not to one of many "
            f"(q {probability(q)})",
        )
    if verdict.tolerance > 0:
        return _undecided(verdict, f"{size}, {_beyond(verdict)}, but it may be chance (p {probability(p)})")
    return _unchanged(verdict, _by_chance(verdict, p))


def _size(verdict: Verdict) -> str:
    """Say in which direction a metric changed, and by how much."""
    if not verdict.change:
        return "the same"
    return f"{'worse' if _is_worse(verdict) else 'better'} by {abs(verdict.change):.4g}"


def _within(verdict: Verdict) -> str:
    return f"within the tolerance of {verdict.tolerance:.4g}"


def _beyond(verdict: Verdict) -> str:
    return f"more than the tolerance of {verdict.tolerance:.4g}"


def _by_chance(verdict: Verdict, p_value: float) -> str:
    size = f"{_size(verdict)}, which may be chance (p {probability(p_value)})" if verdict.change else _size(verdict)
    reach = verdict.minimum_detectable_change
    return f"{size}; worse by {reach:.4g} would have been found" if reach else size


def _undecided(verdict: Verdict, reason: str) -> Verdict:
    many = verdict.needed_replicates
    advice = "more sessions would decide" if many is None else f"{many} replicates would decide"
    return verdict._replace(verdict="undecided", fails=False, reason=f"{reason}; {advice}")


def _unchanged(verdict: Verdict, reason: str) -> Verdict:
    return verdict._replace(verdict="unchanged", fails=False, reason=reason)


def _changed(verdict: Verdict, reason: str) -> Verdict:
    is_worse = _is_worse(verdict)
    return verdict._replace(verdict="regressed" if is_worse else "improved", fails=is_worse, reason=reason)
