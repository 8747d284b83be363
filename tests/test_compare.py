"""Candidate and baseline to a verdict: the odd cases, each with its reason, and what holds for all of them."""

from __future__ import annotations

import datetime
import math
import random
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mltraq.compare import Replicate, Sample, Verdict, absent, correct, judge
from pytest_mltraq.metric import make_metric
from pytest_mltraq.second_look import confirm

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
NAN = math.nan
NOISE = (0.31, -0.42, 0.13, 0.27, -0.29)
OTHER_NOISE = (-0.18, 0.22, -0.35, 0.41, -0.1)


def sample(values: Iterable[float | None], session: int = 0, first: int = 0, **more: Any) -> Sample:
    """Make the replicates of a session, keyed by seed."""
    outcomes = more.pop("outcomes", {})
    replicates = tuple(
        Replicate(f"seed:{first + at}", value, outcomes.get(at, "passed")) for at, value in enumerate(values)
    )
    return Sample(f"session-{session}", NOW, None, None, more.pop("version", None), replicates)


def noisy(mean: float, sd: float = 0.01, noise: Sequence[float] = NOISE) -> list[float]:
    """Make values around a mean."""
    return [mean + sd * one for one in noise]


def window(mean: float, sessions: int, replicates: int = 1, sd: float = 0.01, first: int = 0) -> list[Sample]:
    """Make sessions whose values vary, the same ones always."""
    draw = random.Random(1)
    return [
        sample([draw.gauss(mean, sd) for _ in range(replicates)], session=at, first=first) for at in range(sessions)
    ]


def look(candidate: Sample, history: Sequence[Sample], **options: Any) -> Verdict:
    """Judge a metric of one group."""
    return judge("iris", make_metric("accuracy", **options), {"model": "tree"}, candidate, history)


class Case(NamedTuple):
    """A row of the table of odd cases."""

    candidate: Sample
    history: list[Sample]
    options: dict[str, Any]
    verdict: str
    method: str | None
    reason: str
    fails: bool = False


CASES = {
    # -- nothing to compare with -------------------------------------------------------------------------------------
    "no baseline": Case(sample([0.9]), [], {}, "new", None, "nothing to compare with"),
    "no baseline, below a limit": Case(sample([0.8, 0.9]), [], {"min": 0.9}, "regressed", None, "0.85 is below min=0.9", True),
    "no baseline, above a limit": Case(sample([3.0]), [], {"max": 2}, "regressed", None, "3 is above max=2", True),
    "no baseline, within limits": Case(sample([0.9]), [], {"min": 0.9, "max": 0.9}, "new", None, "nothing to compare"),
    "baseline failed": Case(
        sample([0.9]), [sample([0.9], outcomes={0: "failed"})], {}, "new", None, "no run of the baseline that passed has 'accuracy'"
    ),
    "baseline is NaN": Case(sample([0.9]), [sample([NAN])], {}, "new", None, "no run of the baseline that passed"),
    "another definition": Case(
        sample([0.9], version="2"), [sample([0.5], version="1")], {"version": 2}, "new", None, "version 2, the baseline has 1"
    ),
    "another definition before": Case(
        sample([0.5] * 3, version="2"),
        [sample([0.9] * 3, version="1"), sample([0.5] * 3, session=1, version="2")],
        {"version": 2},
        "unchanged",
        "exact",
        "the same",
    ),
    # -- nothing to judge --------------------------------------------------------------------------------------------
    "no run set it": Case(sample([None, None]), window(1, 5), {}, "missing", None, "no run set 'accuracy'", True),
    "all failed before": Case(
        sample([None, None], outcomes={0: "failed", 1: "crashed"}), [], {}, "missing", None, "(2 of 2 failed)", True
    ),
    "one run did not set it": Case(
        sample([0.9, None, 0.9]), [sample([0.9] * 3)], {}, "missing", "exact", "1 of 3 runs did not set 'accuracy'", True
    ),
    "NaN": Case(sample([0.9, NAN]), window(0.9, 5), {}, "missing", None, "1 of 2 values are NaN or infinite", True),
    "infinite": Case(sample([math.inf]), window(0.9, 5), {}, "missing", None, "1 of 1 values are NaN or infinite", True),
    "a run failed": Case(
        sample([0.9, 0.9, None], outcomes={2: "failed"}), [sample([0.9] * 3)], {}, "undecided", "exact", "1 of 3 runs failed"
    ),
    "a run failed, and it is worse": Case(
        sample([0.8, 0.8, None], outcomes={2: "failed"}), [sample([0.9] * 3)], {}, "regressed", "exact", "worse by 0.1", True
    ),
    # -- what doesn't vary -------------------------------------------------------------------------------------------
    "the same as always": Case(sample([0.9]), [sample([0.9], i) for i in range(3)], {}, "unchanged", "exact", "the same"),
    "rounding": Case(
        sample([0.1 + 0.2]), [sample([0.3], i) for i in range(3)], {}, "unchanged", "exact", "the same"
    ),
    "a little worse than always": Case(
        sample([0.899]), [sample([0.9], i) for i in range(3)], {}, "regressed", "exact", "worse by 0.001, and before it was always the same", True
    ),
    "a little better than always": Case(
        sample([0.901]), [sample([0.9], i) for i in range(3)], {}, "improved", "exact", "better by 0.001, and before it was always the same"
    ),
    "within the tolerance": Case(
        sample([0.899]), [sample([0.9], i) for i in range(3)], {"atol": 0.002}, "unchanged", "exact", "within the tolerance"
    ),
    "seeds differ, each is the same": Case(
        sample([0.8, 0.9, 0.7]), [sample([0.8, 0.9, 0.7], i) for i in range(3)], {}, "unchanged", "exact", "the same"
    ),
    "seeds differ, one is worse": Case(
        sample([0.8, 0.9, 0.6]), [sample([0.8, 0.9, 0.7], i) for i in range(3)], {}, "regressed", "exact", "worse by 0.03333", True
    ),
    "one value twice is chance": Case(
        sample([0.8]), [sample([0.9], i) for i in range(2)], {}, "undecided", "tolerance", "too little data for statistics"
    ),
    "each of two seeds twice is none": Case(
        sample([0.8, 0.7]), [sample([0.8, 0.9], i) for i in range(2)], {}, "regressed", "exact", "worse by 0.1", True
    ),
    "all zero": Case(sample([0.0]), [sample([0.0], i) for i in range(3)], {}, "unchanged", "exact", "the same"),
    "from zero": Case(
        sample([0.1]), [sample([0.0], i) for i in range(3)], {"direction": "minimize"}, "regressed", "exact", "worse by 0.1", True
    ),
    # -- too little of everything ------------------------------------------------------------------------------------
    "one against one": Case(
        sample([0.8]), [sample([0.9])], {}, "undecided", "tolerance", "too little data for statistics: 3 replicates with the same seeds"
    ),
    "one against one, the same": Case(sample([0.9]), [sample([0.9])], {}, "unchanged", "tolerance", "the same; too little"),
    "one against one, within": Case(
        sample([0.899]), [sample([0.9])], {"rtol": 0.01}, "unchanged", "tolerance", "worse by 0.001, within the tolerance of 0.009; too little data for statistics: it may be chance"
    ),
    "one against one, beyond": Case(
        sample([0.8]), [sample([0.9])], {"rtol": 0.01}, "regressed", "tolerance", "worse by 0.1, more than the tolerance of 0.009; too little data for statistics: it may be chance", True
    ),
    "one against one, better": Case(sample([0.99]), [sample([0.9])], {"rtol": 0.01}, "improved", "tolerance", "more than the tolerance"),
    "one against four": Case(
        sample([0.9]), window(0.9, 4), {"rtol": 0.05}, "unchanged", "tolerance", "too little data for statistics"
    ),
    "a method that the data don't allow": Case(
        sample([0.8]), [sample([0.9])], {"method": "welch"}, "undecided", "tolerance", "too little data for welch"
    ),
    # -- signs -------------------------------------------------------------------------------------------------------
    "negative, worse": Case(
        sample([-1.2]), [sample([-1.0])], {"rtol": 0.1}, "regressed", "tolerance", "worse by 0.2, more than the tolerance of 0.1", True
    ),
    "negative, within": Case(sample([-1.05]), [sample([-1.0])], {"rtol": 0.1}, "unchanged", "tolerance", "within"),
    "negative, better": Case(sample([-0.5]), [sample([-1.0])], {"rtol": 0.1}, "improved", "tolerance", "more than the tolerance"),
    "a baseline of 0 has no relative tolerance": Case(
        sample([-0.1]), [sample([0.0])], {"rtol": 0.5}, "regressed", "tolerance", "worse by 0.1, more than the tolerance of 0", True
    ),
    "a baseline of 0, absolute": Case(sample([-0.1]), [sample([0.0])], {"atol": 0.2}, "unchanged", "tolerance", "within"),
    "minimize, worse": Case(
        sample([1.2]), [sample([1.0])], {"direction": "minimize", "rtol": 0.1}, "regressed", "tolerance", "worse by 0.2, more than", True
    ),
    "minimize, better": Case(
        sample([0.8]), [sample([1.0])], {"direction": "minimize", "rtol": 0.1}, "improved", "tolerance", "more than the tolerance"
    ),
    # -- pairs -------------------------------------------------------------------------------------------------------
    "pairs, worse": Case(
        sample(noisy(0.88)), [sample(noisy(0.9, 0.011))], {}, "regressed", "paired", "worse by 0.02, more than chance (p < 0.0001)", True
    ),
    "pairs, better": Case(sample(noisy(0.92)), [sample(noisy(0.9, 0.011))], {}, "improved", "paired", "better by 0.02, more than chance (p < 0.0001)"),
    "pairs, chance": Case(
        sample(noisy(0.9)), [sample(noisy(0.9, noise=OTHER_NOISE))], {}, "unchanged", "paired", "the same; worse by 0.0"
    ),
    "pairs, all by the same": Case(
        sample([0.7, 0.8, 0.85]), [sample([0.8, 0.9, 0.95])], {}, "regressed", "paired", "worse by 0.1", True
    ),
    "pairs, significant within the tolerance": Case(
        sample(noisy(0.899, 0.0001)), [sample(noisy(0.9, 0.00011))], {"atol": 0.01}, "unchanged", "paired", "within the tolerance"
    ),
    "pairs, beyond the tolerance, maybe chance": Case(
        sample(noisy(0.88, 0.1)),
        [sample(noisy(0.9, 0.1, OTHER_NOISE))],
        {"atol": 0.01},
        "undecided",
        "paired",
        "more than the tolerance of 0.01, but it may be chance (p = ",
    ),
    "two pairs are too few": Case(
        sample([0.8, 0.7]), [sample([0.9, 0.85])], {}, "unchanged", "welch", "which may be chance (p = "
    ),
    # -- a window ----------------------------------------------------------------------------------------------------
    "window, worse": Case(sample([0.8]), window(0.9, 8), {}, "regressed", "interval", "worse by 0.09", True),
    "window, better": Case(sample([0.99]), window(0.9, 8), {}, "improved", "interval", "better by 0.09"),
    "window, chance": Case(sample([0.9]), window(0.9, 8), {}, "unchanged", "interval", "which may be chance (p = "),
    "window before pairs": Case(
        sample(noisy(0.9)), window(0.9, 8, replicates=5), {}, "unchanged", "interval", "which may be chance (p = "
    ),
    "window, pairs wanted": Case(
        sample(noisy(0.9)), window(0.9, 8, replicates=5), {"method": "paired"}, "unchanged", "paired", "which may be chance (p = "
    ),
    "window of four, pairs": Case(
        sample(noisy(0.8)), window(0.9, 4, replicates=5), {}, "regressed", "paired", "worse by 0.1", True
    ),
    # -- unpaired ----------------------------------------------------------------------------------------------------
    "other seeds, worse": Case(
        sample(noisy(0.8), first=10), [sample(noisy(0.9, noise=OTHER_NOISE))], {}, "regressed", "welch", "worse by 0.1", True
    ),
    "other seeds, chance": Case(
        sample(noisy(0.9), first=10), [sample(noisy(0.9, noise=OTHER_NOISE))], {}, "unchanged", "welch", "the same; worse by 0.0"
    ),
    # -- limits and baseline -----------------------------------------------------------------------------------------
    "better, and still below the limit": Case(
        sample([0.99]), window(0.9, 8), {"min": 0.995}, "regressed", "interval", "below min=0.995; compared with the baseline", True
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_odd_case_has_its_verdict_and_its_reason(name: str) -> None:
    """What is right, in a table that can be read."""
    case = CASES[name]

    (found,) = correct([look(case.candidate, case.history, **case.options)])

    assert (found.verdict, found.method, found.fails) == (case.verdict, case.method, case.fails), found.reason
    assert case.reason in found.reason


def test_equal_values_are_the_same_and_no_chance() -> None:
    """What doesn't vary could show no change that is smaller, which there is no need to say."""
    (found,) = correct([look(sample(noisy(0.9)), [sample(noisy(0.9))])])

    assert (found.verdict, found.method, found.reason) == ("unchanged", "paired", "the same")


def test_a_group_that_only_the_baseline_has_is_missing() -> None:
    """It fails the gate, and says what it was."""
    found = absent("iris", make_metric("accuracy"), {"model": "tree"}, [sample([0.8, 0.9])])

    assert (found.verdict, found.fails, found.baseline_n) == ("missing", True, 2)
    assert found.baseline_mean == pytest.approx(0.85)
    assert found.reason == "no run has these params any more; where that is meant, `pytest-mltraq accept` says so"


@pytest.mark.parametrize(
    ("candidate", "history"),
    [
        (sample(noisy(0.9)), [sample(noisy(0.9, noise=OTHER_NOISE))]),
        (sample([0.9]), window(0.9, 8)),
        (sample(noisy(0.9), first=10), [sample(noisy(0.9, noise=OTHER_NOISE))]),
    ],
    ids=["paired", "interval", "welch"],
)
def test_statistics_say_what_they_could_have_seen(candidate: Sample, history: list[Sample]) -> None:
    """Each has its n, p, q, interval and minimum detectable change; a change of that size would have been found."""
    (found,) = correct([look(candidate, history)])
    assert found.p_value is not None
    assert found.q_value == found.p_value
    assert found.low is not None
    assert found.high is not None
    assert found.change is not None
    assert found.low < found.change < found.high
    assert found.baseline_session == history[-1].id_session
    assert found.n == len(candidate.replicates)
    reach = found.minimum_detectable_change
    assert reach is not None
    assert reach > 0

    worse = candidate._replace(
        replicates=tuple(one._replace(value=(one.value or 0) - reach - found.change) for one in candidate.replicates)
    )

    assert look(worse, history).verdict == "regressed"


def test_an_undecided_verdict_says_how_many_replicates_would_decide() -> None:
    """With that many, of the same kind, it is decided."""
    options: dict[str, Any] = {"atol": 0.01}
    found = look(sample(noisy(0.88, 0.1)), [sample(noisy(0.9, 0.1, OTHER_NOISE))], **options)
    assert found.verdict == "undecided"
    assert found.needed_replicates is not None
    assert f"{found.needed_replicates} replicates would decide" in found.reason

    times = -(-found.needed_replicates // len(NOISE))
    again = look(sample(noisy(0.88, 0.1, NOISE * times)), [sample(noisy(0.9, 0.1, OTHER_NOISE * times))], **options)

    assert again.verdict == "regressed"


OF_SEEDS = [0.9 + 0.05 * one for one in (*NOISE, *(one - 0.1 for one in OTHER_NOISE))]
"""What ten seeds do to a value; the second five are a little worse."""


def seeded(seeds: range, session: int) -> Sample:
    """Make a session in which what the seed does to a value is far more than what changes between sessions."""
    draw = random.Random(session)
    return sample([OF_SEEDS[seed] + draw.gauss(0, 0.001) for seed in seeds], session, first=seeds.start)


def test_seeds_that_the_window_has_not_seen_are_not_taken_for_a_change() -> None:
    """A window with the same seeds in all sessions shows nothing of what seeds differ by: other seeds are given that."""
    history = [seeded(range(5), at) for at in range(8)]
    same, others = look(seeded(range(5), 11), history), look(seeded(range(5, 10), 11), history)

    assert same.minimum_detectable_change is not None
    assert others.minimum_detectable_change is not None
    assert (same.verdict, others.verdict) == ("unchanged", "unchanged")
    assert others.change is not None
    assert abs(others.change) > 2 * same.minimum_detectable_change
    assert others.minimum_detectable_change > 10 * same.minimum_detectable_change


def test_more_seeds_than_before_are_compared_by_those_that_both_have() -> None:
    """So a drop that all of them have is found, and what the new seeds are is no change."""
    history = [seeded(range(5), at) for at in range(8)]
    more = seeded(range(10), 11)
    worse = more._replace(replicates=tuple(one._replace(value=(one.value or 0) - 0.01) for one in more.replicates))

    assert look(more, history).verdict == "unchanged"
    assert look(worse, history).verdict == "regressed"


def test_a_session_with_fewer_replicates_takes_nothing_from_the_others() -> None:
    """It is left out of the window, whether it is the newest or not."""
    history = [seeded(range(5), at) for at in range(8)]
    few = seeded(range(1), 9)

    found = look(seeded(range(5), 10), [*history, few])

    assert (found.n, found.baseline_n, found.baseline_session) == (5, 40, "session-7")


def test_single_runs_of_another_seed_are_not_judged_by_statistics() -> None:
    """Nothing says what seeds differ by."""
    history = [seeded(range(1), at) for at in range(8)]

    found = look(seeded(range(1, 2), 11), history)

    assert (found.verdict, found.method) == ("undecided", "tolerance")


def test_pairs_are_compared_with_all_sessions_of_a_short_window() -> None:
    """Their mean is known better than one of them."""
    history = [seeded(range(5), at) for at in range(4)]

    one, four = look(seeded(range(5), 8), history[-1:]), look(seeded(range(5), 11), history)

    assert (one.method, four.method) == ("paired", "paired")
    assert (one.baseline_n, four.baseline_n) == (5, 20)


def test_the_deviation_of_the_baseline_is_of_what_the_candidates_is() -> None:
    """It is that of replicates within sessions, however many there are; of single runs that of the sessions."""
    values, shifted = [0.8, 0.9, 1.0, 0.9], [0.81, 0.91, 1.01, 0.91]
    several = look(sample(values), [sample(values), sample(shifted, 1), sample(values, 2)])
    single = look(sample([0.9]), window(0.9, 8))

    assert several.baseline_sd == pytest.approx(several.sd)
    assert single.baseline_sd is not None
    assert single.sd is None


def test_what_would_have_been_found_is_beyond_the_tolerance() -> None:
    """A change within the tolerance is never a regression, however many replicates there are."""
    history = [sample(noisy(0.9, 0.0011, OTHER_NOISE))]

    found = look(sample(noisy(0.9, 0.001)), history, atol=0.05)

    assert found.minimum_detectable_change is not None
    assert found.minimum_detectable_change > 0.05


def test_what_would_have_been_found_is_larger_among_many() -> None:
    """One metric that changes alone among many is asked more of: so it is said of what is seen, and how many replicates are needed."""
    values = sample(noisy(0.88, 0.1)), [sample(noisy(0.9, 0.1, OTHER_NOISE))]
    metric = make_metric("accuracy", atol=0.01)

    alone, among = (judge("iris", metric, {}, *values, tests=tests) for tests in (1, 50))

    assert (alone.verdict, among.verdict, alone.p_value) == ("undecided", "undecided", among.p_value)
    assert alone.minimum_detectable_change is not None
    assert among.minimum_detectable_change is not None
    assert among.minimum_detectable_change > 1.5 * alone.minimum_detectable_change
    assert alone.needed_replicates is not None
    assert among.needed_replicates is not None
    assert among.needed_replicates > 1.5 * alone.needed_replicates


def test_many_metrics_are_corrected_for() -> None:
    """What is significant alone may be chance among many; what is beyond doubt is not."""
    chance = look(sample(noisy(0.9)), [sample(noisy(0.9, noise=OTHER_NOISE))])
    weak = look(sample(noisy(0.8915)), [sample(noisy(0.9, noise=OTHER_NOISE))])
    strong = look(sample(noisy(0.8)), [sample(noisy(0.9, 0.011))])
    assert [one.verdict for one in (chance, weak, strong)] == ["unchanged", "regressed", "regressed"]

    found = correct([*[chance] * 30, weak, strong])

    assert [one.verdict for one in found[-2:]] == ["undecided", "regressed"]
    assert "more than chance would do to one metric (p = 0.0" in found[-2].reason
    assert "but not to one of many (q = 0." in found[-2].reason
    assert not found[-2].fails
    assert all(one.q_value is not None and one.p_value is not None and one.q_value >= one.p_value for one in found)


def test_verdicts_without_a_test_are_not_corrected() -> None:
    """A limit that is broken is broken, however many metrics there are."""
    broken = look(sample([0.8]), [], min=0.9)
    new = look(sample([0.8]), [])

    assert correct([broken, new]) == [broken, new]


def test_alpha_decides() -> None:
    """What one alpha lets pass, another doesn't."""
    candidate, history = sample(noisy(0.8915)), [sample(noisy(0.9, noise=OTHER_NOISE))]

    assert look(candidate, history, alpha=0.05).verdict == "regressed"
    assert look(candidate, history, alpha=0.001).verdict == "unchanged"


fractions = st.floats(0, 1).map(lambda value: round(value, 3))
replicates = st.lists(fractions, min_size=1, max_size=5)


@given(replicates, st.lists(replicates, min_size=1, max_size=7), st.sampled_from(["maximize", "minimize"]))
def test_a_metric_and_its_negative_are_judged_alike(
    candidate: list[float], history: list[list[float]], direction: str
) -> None:
    """To minimize a loss is to maximize its negative."""
    other = "minimize" if direction == "maximize" else "maximize"
    past = [sample(values, at) for at, values in enumerate(history)]
    negative = [sample([-value for value in values], at) for at, values in enumerate(history)]

    one = look(sample(candidate), past, direction=direction, atol=0.05)
    two = look(sample([-value for value in candidate]), negative, direction=other, atol=0.05)

    assert (one.verdict, one.method, one.fails) == (two.verdict, two.method, two.fails)


@given(replicates, st.lists(replicates, min_size=1, max_size=7), st.floats(0.01, 1))
def test_worse_is_never_judged_better(candidate: list[float], history: list[list[float]], drop: float) -> None:
    """A candidate that is worse by the same in all replicates has no better verdict."""
    order = ["regressed", "undecided", "unchanged", "improved"]
    past = [sample(values, at) for at, values in enumerate(history)]

    before = look(sample(candidate), past, atol=0.02)
    after = look(sample([value - drop for value in candidate]), past, atol=0.02)

    assert order.index(after.verdict) <= order.index(before.verdict)


@given(replicates, st.lists(replicates, min_size=1, max_size=7))
def test_the_same_again_never_fails(candidate: list[float], history: list[list[float]]) -> None:
    """A session like the newest one is no regression of it."""
    past = [sample(values, at) for at, values in enumerate([*history, candidate][-1:])]

    found = look(sample(candidate), past)

    assert found.verdict == "unchanged"
    assert found.change == 0


def test_a_second_look_confirms_or_takes_back() -> None:
    """It stands where fresh seeds are worse too; it can't make a failure of what was none."""
    first = look(sample(noisy(0.88)), [sample(noisy(0.9, 0.011))])
    assert first.fails
    history = [sample(noisy(0.9, 0.011))]
    worse, better = look(sample(noisy(0.89), first=50), history), look(sample(noisy(0.91), first=50), history)

    confirmed, taken_back = confirm(first, worse), confirm(first, better)

    assert confirmed.fails
    assert "confirmed by 5 fresh runs with a mean of 0.89" in confirmed.reason
    assert (taken_back.verdict, taken_back.fails) == ("undecided", False)
    assert "not confirmed by 5 fresh runs with a mean of 0.91" in taken_back.reason
    assert confirm(better, first) == better


def test_a_second_look_changes_nothing_of_what_does_not_vary_or_is_missing() -> None:
    """Fresh seeds say nothing of them."""
    exact = look(sample([0.8]), [sample([0.9], at) for at in range(3)])
    missing = look(sample([None]), [])
    fresh = look(sample([0.95], first=50), [sample([0.9])])

    assert confirm(exact, fresh) == exact
    assert confirm(missing, fresh) == missing


def test_a_limit_is_looked_at_twice() -> None:
    """It stands where the fresh seeds break it as well."""
    broken = look(sample([0.8, 0.85]), [], min=0.9)

    assert confirm(broken, look(sample([0.82, 0.83], first=50), [], min=0.9)).fails
    assert not confirm(broken, look(sample([0.92, 0.93], first=50), [], min=0.9)).fails


def test_a_limit_is_not_confirmed_by_being_worse_than_the_baseline() -> None:
    """A mean that is within the limit, although it is below the baseline, doesn't break it."""
    history = [sample(noisy(0.93), first=20)]
    broken = look(sample(noisy(0.895, 0.04)), history, min=0.9, rtol=0.0)
    within = look(sample(noisy(0.928), first=50), history, min=0.9)
    assert broken.limit == 0.9
    assert (within.fails, (within.change or 0) < 0) == (False, True)

    assert not confirm(broken, within).fails
