"""The statistics of judgements: Student's t, what two samples say of a change, and corrections for many tests.

Pure functions over floats, with the standard library alone: whoever judges a metric needs neither NumPy nor SciPy. A test is one-sided:
its p-value is the probability of a change at least as low as the one that was found, where there is none.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

_TINY: Final = 1e-300
_NORMAL_DF: Final = 1e8
"""Above it t is as good as the normal distribution."""
_PRECISION: Final = 1e-15
_LARGEST_N: Final = 10_000
"""More replicates than these are never advised."""


SMALLEST_P: Final = 1e-4
"""Probabilities below this are not told apart in words: no test's assumptions hold that far out."""


class Estimate(NamedTuple):
    """What a test says of a change.

    Attributes:
        change: the estimated change of the mean.
        error: its standard error, >= 0; 0 where the values don't vary.
        df: degrees of freedom, > 0, not always a whole number.
    """

    change: float
    error: float
    df: float

    def p_lower(self) -> float:
        """Return the probability of a change this low or lower where there is none, in [0, 1]."""
        if self.error == 0:
            return 0.5 if self.change == 0 else float(self.change > 0)
        return t_cdf(self.change / self.error, self.df)

    def interval(self, alpha: float) -> tuple[float, float]:
        """Return the confidence interval of the change at 1 - 2 alpha.

        It lies below 0 exactly where `p_lower() < alpha`, and above 0 where `1 - p_lower() < alpha`.
        """
        reach = t_quantile(1 - alpha, self.df) * self.error
        return self.change - reach, self.change + reach

    def minimum_detectable_change(self, alpha: float, power: float, tolerance: float = 0.0) -> float:
        """Return the smallest true change that a test at `alpha` finds with probability `power`.

        What is found must also be larger than the tolerance.

        Source: the usual approximation of the noncentral t by a shifted t, (t(1 - alpha) + t(power)) * error; see Chow, Shao,
        Wang, Sample Size Calculations in Clinical Research, 2nd ed. 2008, 3.1.
        """
        reach = max(tolerance, t_quantile(1 - alpha, self.df) * self.error)
        return reach + t_quantile(power, self.df) * self.error


def mean_and_sd(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the standard deviation with n - 1; the deviation of one value is NaN.

    Where the values differ by no more than rounding does, the deviation is 0.
    """
    mean = statistics.fmean(values)
    if len(values) < 2:  # noqa: PLR2004 - one value has no deviation
        return mean, math.nan
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return mean, 0.0 if sd <= 1e-14 * max(map(abs, values)) else sd


def paired(differences: Sequence[float], scale: float = 0.0) -> Estimate:
    """Estimate a change from differences of pairs, shape (n,), n >= 2.

    Args:
        differences: candidate minus baseline, of each pair.
        scale: the size of the values that were subtracted: differences that vary by less than their rounding don't vary.

    Source: Student, The probable error of a mean, Biometrika 6, 1908.
    """
    mean, sd = mean_and_sd(differences)
    sd = 0.0 if sd <= 1e-14 * scale else sd
    return Estimate(mean, sd / math.sqrt(len(differences)), len(differences) - 1)


def welch(candidate: Sequence[float], baseline: Sequence[float]) -> Estimate:
    """Estimate a change of the mean from two samples, shapes (n,) and (m,), n, m >= 2, that may vary differently.

    Source: B. L. Welch, The generalization of Student's problem when several different population variances are involved,
    Biometrika 34, 1947; the degrees of freedom are Satterthwaite's, Biometrics Bulletin 2, 1946.
    """
    (mean, sd), (base, base_sd) = mean_and_sd(candidate), mean_and_sd(baseline)
    parts = [(sd**2 / len(candidate), len(candidate) - 1), (base_sd**2 / len(baseline), len(baseline) - 1)]
    return Estimate(mean - base, *_sum_of_variances(parts))


def _sum_of_variances(parts: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """Return the root of a sum of variances, and its degrees of freedom; each part has its own.

    Source: F. E. Satterthwaite, An approximate distribution of estimates of variance components, Biometrics Bulletin 2, 1946.
    """
    variance = math.fsum(part for part, _ in parts)
    below = math.fsum(part**2 / df for part, df in parts if part)
    return math.sqrt(variance), variance**2 / below if below else 1.0


def predicted(candidate: Sequence[float], window: Sequence[Sequence[float]], repeated: int = 0) -> Estimate:
    """Estimate how far a session's mean lies from where the sessions of a window predict it.

    A session's mean varies by what its replicates vary by, and by what changes from session to session; the window shows both
    together. A candidate with fewer replicates than the sessions had varies more by what they vary less. Where the sessions all have the
    same replicates, and the candidate has others, the window shows nothing of what replicates differ by: it is added, for both sides.

    Args:
        candidate: the session's values, shape (k,), k >= 1.
        window: the values of earlier sessions, W of them, W >= 2, each of at least one value.
        repeated: how many replicates the window has, again and again, that the candidate hasn't; 0 where both have the same, or where
            each session has others.

    Source: the prediction interval for a further observation, m ± t(W - 1) s sqrt(1 + 1/W); e.g. Hahn, Meeker, Statistical Intervals,
    1991, 4.7. The term for fewer replicates is the within-session variance times (1/k - 1/k'), k' the harmonic mean of theirs; that
    for other replicates is this variance times (1/k + 1/repeated).
    """
    means = [statistics.fmean(values) for values in window]
    center, sd = mean_and_sd(means)
    parts = [(sd**2 * (1 + 1 / len(means)), len(means) - 1)]
    if repeated:
        within, df = _variance_of_replicates(candidate, window, repeated)
        parts.append((within * (1 / len(candidate) + 1 / repeated), df))
        error, degrees = _sum_of_variances(parts)
    else:
        error, degrees = math.sqrt(parts[0][0] + _extra_variance(len(candidate), window)), len(means) - 1
    return Estimate(statistics.fmean(candidate) - center, error, degrees)


def _variance_of_replicates(
    candidate: Sequence[float], window: Sequence[Sequence[float]], repeated: int
) -> tuple[float, int]:
    """Return what replicates vary by, and its degrees of freedom: those that come back in each session count once."""
    of_window = repeated - 1 if max(map(len, window)) > 1 else 0
    of_candidate = len(candidate) - 1
    squares = of_window * within_variance(window) + of_candidate * within_variance([candidate])
    df = max(1, of_window + of_candidate)
    return squares / df, df


def _extra_variance(replicates: int, window: Sequence[Sequence[float]]) -> float:
    usual = statistics.harmonic_mean([len(values) for values in window])
    return max(0.0, within_variance(window) * (1 / replicates - 1 / usual))


def residual_variance(window: Sequence[Sequence[float]]) -> float:
    """Return the variance of what is neither a replicate's nor a session's own; 0 of one replicate or one session.

    Args:
        window: the values of the same k replicates in W sessions, in the same order; shape (W, k).

    Source: the error term of a two-way layout with one value per cell; e.g. Scheffé, The Analysis of Variance, 1959, 4.2.
    """
    sessions, replicates = len(window), len(window[0])
    if min(sessions, replicates) == 1:
        return 0.0
    rows = [statistics.fmean(values) for values in window]
    columns = [statistics.fmean(values) for values in zip(*window, strict=True)]
    middle = statistics.fmean(rows)
    squares = math.fsum(
        (value - row - column + middle) ** 2
        for values, row in zip(window, rows, strict=True)
        for value, column in zip(values, columns, strict=True)
    )
    return squares / ((sessions - 1) * (replicates - 1))


def within_variance(window: Sequence[Sequence[float]]) -> float:
    """Return the variance of replicates within sessions, pooled; 0 where no session has two."""
    squares = math.fsum((len(values) - 1) * mean_and_sd(values)[1] ** 2 for values in window if len(values) > 1)
    df = sum(len(values) - 1 for values in window)
    return squares / df if df else 0.0


def needed(detectable: Callable[[int], float], change: float, at_least: int) -> int | None:
    """Return the smallest number of replicates with which a change is detectable; None where no number will do.

    Args:
        detectable: the minimum detectable change with n replicates, which falls with n.
        change: the change to be detected, > 0.
        at_least: the smallest number that can be had.
    """
    low, high = at_least, at_least
    while detectable(high) > change:
        low, high = high, 2 * high
        if high > _LARGEST_N:
            return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if detectable(middle) <= change else (middle + 1, high)
    return high


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return the q-value of each p-value: the smallest false discovery rate at which it is rejected.

    Source: Y. Benjamini, Y. Hochberg, Controlling the false discovery rate, J. R. Statist. Soc. B 57, 1995; as adjusted p-values in
    Yekutieli, Benjamini, J. Statist. Plann. Inference 82, 1999.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__, reverse=True)
    q_values, smallest = [0.0] * len(p_values), 1.0
    for rank, at in zip(range(len(p_values), 0, -1), order, strict=True):
        smallest = min(smallest, p_values[at] * len(p_values) / rank)
        q_values[at] = smallest
    return q_values


def probability(p_value: float) -> str:
    """Write a probability with its sign, `= 0.031`; one that is too small to mean anything as `< 0.0001`."""
    return f"= {p_value:.2g}" if p_value >= SMALLEST_P else f"< {SMALLEST_P:.4f}"


def t_cdf(t: float, df: float) -> float:
    """Return the probability that Student's t with `df` degrees of freedom is at most `t`.

    Source: Abramowitz, Stegun, Handbook of Mathematical Functions, 26.7.
    """
    if math.isinf(t):
        return float(t > 0)
    if df > _NORMAL_DF:
        return 0.5 * math.erfc(-t / math.sqrt(2))
    tail = _t_tail(t * t, df)
    return tail if t < 0 else 1 - tail


def _t_tail(squared: float, df: float) -> float:
    """Return the probability that t is below the negative root of a number.

    It is half the incomplete beta function at df / (df + t²): from its own fraction in the tail, so that no digits are lost, and
    from that of its complement near the middle, where it converges.
    """
    y = squared / (df + squared)
    if y == 0:
        return 0.5
    log_front = -df / 2 * math.log1p(squared / df) + 0.5 * math.log(y / math.pi) + _log_gamma_ratio(df / 2)
    if squared > 1:
        return math.exp(log_front) * _beta_fraction(df / 2, 0.5, df / (df + squared)) / df
    return 0.5 - math.exp(log_front) * _beta_fraction(0.5, df / 2, y)


def t_pdf(t: float, df: float) -> float:
    """Return the density of Student's t at `t`."""
    return math.exp(_log_gamma_ratio(df / 2) - (df + 1) / 2 * math.log1p(t * t / df)) / math.sqrt(math.pi * df)


@functools.lru_cache(maxsize=4096)
def t_quantile(p: float, df: float) -> float:
    """Return the `t` that Student's t is at most with probability `p`, in (0, 1).

    Found by Newton's method on the tail, kept in brackets that are halved where a step leaves them.
    """
    if p == 0.5:  # noqa: PLR2004 - the middle
        return 0.0
    if p > 0.5:  # noqa: PLR2004
        return -t_quantile(1 - p, df)
    low, high = -1.0, 0.0
    while t_cdf(low, df) > p:
        low, high = 2 * low, low
    t = (low + high) / 2
    for _ in range(200):
        found = t_cdf(t, df)
        low, high = (t, high) if found < p else (low, t)
        step = (found - p) / t_pdf(t, df)
        following = t - step if low < t - step < high else (low + high) / 2
        if abs(following - t) <= 4 * math.ulp(t):
            return following
        t = following
    return t


def _log_gamma_ratio(a: float) -> float:
    """Return log(Gamma(a + 1/2) / Gamma(a)); for large a by its asymptotic series, which loses no digits.

    Source: Tricomi, Erdélyi, Pacific J. Math. 1, 1951.
    """
    if a < 30:  # noqa: PLR2004 - below, the two logarithms are small enough to be subtracted
        return math.lgamma(a + 0.5) - math.lgamma(a)
    return 0.5 * math.log(a) - 1 / (8 * a) + 1 / (192 * a**3) - 1 / (640 * a**5) + 17 / (14336 * a**7)


def _beta_fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction of the incomplete beta function, by Lentz's method.

    Source: Press et al., Numerical Recipes, 3rd ed. 2007, 6.4.
    """
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 10_000):
        for factor in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _not_zero(1 + factor * d)
            c = _not_zero(1 + factor / c)
            value *= c * d
        if abs(c * d - 1) < _PRECISION:
            break
    return value


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
