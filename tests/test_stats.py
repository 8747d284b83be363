"""Student's t and what is made of it; SciPy is the oracle."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from pytest_mltraq.stats import (
    Estimate,
    benjamini_hochberg,
    mean_and_sd,
    needed,
    paired,
    predicted,
    residual_variance,
    t_cdf,
    t_pdf,
    t_quantile,
    welch,
    within_variance,
)

freedoms = st.one_of(st.integers(1, 1000).map(float), st.floats(1, 1e4))
numbers = st.floats(-100, 100).map(lambda value: round(value, 6))
samples = st.lists(numbers, min_size=2, max_size=12)


def varied(values: list[float]) -> bool:
    """Whether a sample varies by more than rounding."""
    return statistics.stdev(values) > 1e-6


@given(st.floats(-200, 200).filter(lambda t: abs(t) > 1e-3), freedoms)
def test_t_is_that_of_scipy(t: float, df: float) -> None:
    """To ten digits, in the far tail too."""
    assert t_cdf(t, df) == pytest.approx(scipy_stats.t.cdf(t, df), rel=1e-10, abs=1e-290)
    assert t_pdf(t, df) == pytest.approx(scipy_stats.t.pdf(t, df), rel=1e-10, abs=1e-290)


@pytest.mark.parametrize("df", [0.5, 1, 2.5, 59.9, 60.1, 1e5, 1e9])
def test_t_is_symmetric_and_complete(df: float) -> None:
    """Half of it is below 0, and nothing is beyond infinity."""
    assert t_cdf(0, df) == 0.5
    assert (t_cdf(-math.inf, df), t_cdf(math.inf, df)) == (0, 1)
    assert t_cdf(-1.5, df) + t_cdf(1.5, df) == pytest.approx(1, abs=1e-15)


def test_t_with_one_degree_of_freedom_is_cauchys() -> None:
    """Near its middle as well, where the exact value is known."""
    for t in (-1e-8, 1e-8, 1e-3, -3.0):
        assert t_cdf(t, 1) == pytest.approx(0.5 + math.atan(t) / math.pi, rel=1e-14)


@given(st.floats(1e-9, 1 - 1e-9), freedoms)
def test_quantiles_are_those_of_scipy(p: float, df: float) -> None:
    """What is found is where the distribution has the probability."""
    assert t_quantile(p, df) == pytest.approx(scipy_stats.t.ppf(p, df), rel=1e-9, abs=1e-9)


@given(samples.filter(varied))
def test_pairs_are_tested_as_by_scipy(differences: list[float]) -> None:
    """One sample against 0, to the lower side."""
    found = paired(differences)
    oracle = scipy_stats.ttest_1samp(differences, 0, alternative="less")
    both = scipy_stats.ttest_1samp(differences, 0).confidence_interval(0.9)

    assert found.p_lower() == pytest.approx(oracle.pvalue, rel=1e-8, abs=1e-200)
    assert found.interval(0.05) == pytest.approx((both.low, both.high), rel=1e-8, abs=1e-9)


@given(samples.filter(varied), samples.filter(varied))
def test_samples_are_tested_as_by_scipy(candidate: list[float], baseline: list[float]) -> None:
    """Welch's test, to the lower side."""
    found = welch(candidate, baseline)
    oracle = scipy_stats.ttest_ind(candidate, baseline, equal_var=False, alternative="less")

    assert found.p_lower() == pytest.approx(oracle.pvalue, rel=1e-7, abs=1e-200)
    assert found.df == pytest.approx(oracle.df, rel=1e-8)


@given(samples, samples, st.floats(0.5, 3), numbers)
def test_a_change_of_scale_and_place_changes_nothing_but_the_scale(
    candidate: list[float], baseline: list[float], scale: float, shift: float
) -> None:
    """Metrics may be percentages or fractions, and losses of any size."""
    if not (varied(candidate) and varied(baseline)):
        return
    plain = welch(candidate, baseline)
    moved = welch([scale * x + shift for x in candidate], [scale * x + shift for x in baseline])

    assert moved.p_lower() == pytest.approx(plain.p_lower(), rel=1e-5, abs=1e-9)
    assert moved.change == pytest.approx(scale * plain.change, rel=1e-6, abs=1e-6)


@given(samples.filter(varied), samples.filter(varied))
def test_exchanged_sides_exchange_the_tails(candidate: list[float], baseline: list[float]) -> None:
    """What is lower one way is higher the other way."""
    assert welch(candidate, baseline).p_lower() + welch(baseline, candidate).p_lower() == pytest.approx(1)


@given(st.lists(st.lists(numbers, min_size=1, max_size=4), min_size=2, max_size=8), samples)
def test_a_session_is_predicted_from_means_of_sessions(window: list[list[float]], candidate: list[float]) -> None:
    """With as many replicates as the sessions, the error is s sqrt(1 + 1/W)."""
    found = predicted(candidate, window)
    means = [statistics.fmean(values) for values in window]
    spread = statistics.stdev(means)

    assert found.df == len(window) - 1
    assert found.error >= spread * math.sqrt(1 + 1 / len(window)) * (1 - 1e-9) - 1e-9
    if len(candidate) >= statistics.harmonic_mean([len(values) for values in window]):
        assert found.error == pytest.approx(spread * math.sqrt(1 + 1 / len(window)), abs=1e-9)


def test_fewer_replicates_vary_more() -> None:
    """By what replicates vary within a session, and not by what sessions vary from each other."""
    window = [[0.0, 2.0], [0.5, 2.5], [-0.5, 1.5]]
    assert within_variance(window) == pytest.approx(2)

    one, two = predicted([1.0], window), predicted([1.0, 1.0], window)

    assert one.error**2 - two.error**2 == pytest.approx(2 * (1 - 1 / 2))


def test_replicates_that_the_window_does_not_have_vary_by_what_replicates_do() -> None:
    """On both sides: those of the candidate, and those that the window has again and again."""
    window = [[0.0, 2.0], [0.5, 2.5], [-0.5, 1.5]]

    same, others = predicted([0.0, 2.0], window), predicted([0.0, 2.0], window, repeated=2)

    assert others.error**2 - same.error**2 == pytest.approx(2 * (1 / 2 + 1 / 2))
    assert same.df < others.df <= (3 - 1) + (2 - 1) + (2 - 1)


@given(st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=2, max_size=6), numbers, st.integers(0, 2))
def test_the_residual_variance_is_free_of_what_sessions_and_replicates_have_of_their_own(
    window: list[list[float]], shift: float, at: int
) -> None:
    """Moving a session, or a replicate in all sessions, changes nothing; neither does their order."""
    plain = residual_variance(window)
    moved = [[value + shift * (column == at) for column, value in enumerate(values)] for values in window]
    moved[0] = [value - shift for value in moved[0]]

    assert residual_variance(moved) == pytest.approx(plain, rel=1e-6, abs=1e-6)
    assert residual_variance(window[::-1]) == pytest.approx(plain, rel=1e-9, abs=1e-9)


def test_the_residual_variance_of_a_table() -> None:
    """By hand: the rows differ by 1 and 3, so what is left are halves of 1; one of one is none."""
    assert residual_variance([[0.0, 0.0], [1.0, 3.0]]) == pytest.approx(4 * 0.5**2)
    assert residual_variance([[1.0, 2.0]]) == residual_variance([[1.0], [2.0]]) == 0


def test_an_interval_is_beyond_zero_where_the_test_rejects() -> None:
    """Both say the same."""
    for change in (-0.5, -0.4, -0.3, 0.3, 0.4, 0.5):
        estimate = Estimate(change, 0.2, 7)
        low, high = estimate.interval(0.05)
        assert (high < 0) == (estimate.p_lower() < 0.05)
        assert (low > 0) == (1 - estimate.p_lower() < 0.05)


def test_what_does_not_vary_is_certain() -> None:
    """Without a standard error a change is there or not; rounding is no variance."""
    assert paired([0.1 + 0.2 - 0.3, 0.0, 0.0], scale=0.3).error == 0
    assert Estimate(0.0, 0.0, 4).p_lower() == 0.5
    assert (Estimate(-1e-3, 0.0, 4).p_lower(), Estimate(1e-3, 0.0, 4).p_lower()) == (0, 1)
    assert mean_and_sd([0.3, 0.1 + 0.2])[1] == 0
    assert math.isnan(mean_and_sd([1.0])[1])


def test_the_minimum_detectable_change_is_detected_with_its_power() -> None:
    """Of as many true changes of that size as its power says, the test finds about that many (noncentral t)."""
    sd, n, alpha, power = 1.0, 8, 0.05, 0.8
    estimate = Estimate(0.0, sd / math.sqrt(n), n - 1)

    change = estimate.minimum_detectable_change(alpha, power)

    noncentral = scipy_stats.nct.sf(scipy_stats.t.ppf(1 - alpha, n - 1), n - 1, change * math.sqrt(n) / sd)
    assert noncentral == pytest.approx(power, abs=0.02)


@pytest.mark.parametrize(("change", "expected"), [(1.0, 4), (0.9, 5), (3.0, 2), (0.01, None)])
def test_the_number_of_replicates_that_is_needed(change: float, expected: int | None) -> None:
    """The smallest one with which the change is detectable; None where there is none."""
    assert needed(lambda n: 2 / math.sqrt(n) if n < 10_000 else 1.0, change, 2) == expected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_q_values_are_those_of_scipy(p_values: list[float]) -> None:
    """Benjamini and Hochberg's."""
    expected = scipy_stats.false_discovery_control(p_values).tolist()

    assert benjamini_hochberg(p_values) == pytest.approx(expected, rel=1e-12, abs=1e-300)


def test_nothing_has_no_q_values() -> None:
    """A session without metrics that were tested is no special case."""
    assert benjamini_hochberg([]) == []
