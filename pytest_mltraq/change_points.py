"""Where the level of a series changed: E-divisive with a permutation test.

The series is cut where the energy distance between the parts before and after is largest, if a random order of its values has as
large a distance at its best place in no more than one of a hundred cases; then each part is cut in the same way.

A level that passes, as that of a mistake that was mended, makes the parts before and after it alike: seen as a whole, such a series hardly
changes. So a series that is not cut is looked at again: the part before a place is compared with each part that begins there and
ends anywhere, and half of a hundredth is the bound.

The test assumes that the values are exchangeable while the level stays. Under autocorrelation it finds too many changes, which `autocorrelation`
warns of.

Source: D. S. Matteson, N. A. James, A nonparametric approach for multiple change point analysis of multivariate data, J. Am. Stat. Assoc.
109, 2014 (arXiv 1306.4933), with exponent 1. They look at parts that end anywhere alone, which finds less of changes that last, and permute
within all parts at once; here each part has tests of its own, so that what is found in one doesn't depend on another.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

ALPHA: Final = 0.01
"""How often a series without a change may have one that lasts: people look at each."""

ALPHA_PASSING: Final = 0.005
"""How often it may have one that passes, on top of these."""

PERMUTATIONS: Final = 199
"""Random orders that are looked at: with them the p-values are multiples of 1/200, twice as fine as is needed."""

MIN_SIZE: Final = 2
"""The shortest part: of one value there is no distance within."""

DECIMALS: Final = 9
"""What of a series is looked at, at the scale on which it goes from 0 to 1."""

_AT_ONCE: Final = 500_000
"""Distances of random orders that are looked at in one go, 4 MB; between, it is asked whether enough were as good as the series."""


def find_change_points(values: Sequence[float]) -> list[int]:
    """Find where the level of a series changed.

    Args:
        values: the series, shape (n,), in order of time. What is not finite has no level, and is passed over.

    Returns:
        The indexes at which a new level begins, ascending. They are the same for the same values, always: the random orders
        begin at a seed made of them.
    """
    import numpy as np

    places = [at for at, value in enumerate(values) if math.isfinite(value)]
    series = np.array([values[at] for at in places], dtype=float)
    found, pending = [], [(0, len(series))]
    while pending:
        begin, end = pending.pop()
        cut = _find_cut(series[begin:end])
        if cut is not None:
            found.append(begin + cut)
            pending += [(begin, begin + cut), (begin + cut, end)]
    return [places[at] for at in sorted(found)]


def level_start(values: Sequence[float]) -> int:
    """Return the index at which the current level of a series begins; 0 where it never changed."""
    return max(find_change_points(values), default=0)


def autocorrelation(values: Sequence[float], change_points: Sequence[int] = ()) -> float | None:
    """Return how much each value of a series resembles the one before, beside its level.

    Args:
        values: the series, shape (n,); what is not finite is passed over.
        change_points: where new levels begin.

    Returns:
        The correlation of neighbours' distances from the mean of their level, in [-1, 1]; None where nothing varies, or of less than
        four values.
    """
    bounds = [0, *change_points, len(values)]
    products = squares = 0.0
    count = 0
    for begin, end in itertools.pairwise(bounds):
        level = [value for value in values[begin:end] if math.isfinite(value)]
        if not level:
            continue
        mean = math.fsum(level) / len(level)
        rest = [value - mean for value in level]
        products += math.fsum(one * following for one, following in itertools.pairwise(rest))
        squares += math.fsum(one * one for one in rest)
        count += len(rest)
    return products / squares if squares > 0 and count >= 4 else None  # noqa: PLR2004


def is_autocorrelated(values: Sequence[float], change_points: Sequence[int] = ()) -> bool:
    """Whether neighbours resemble each other by more than chance: change points are then found where there are none.

    Source: the one-sided 5 % bound of a white series' lag-1 autocorrelation, 1.645 / sqrt(n); Box, Jenkins, Time Series Analysis, 2.1.6.
    """
    found = autocorrelation(values, change_points)
    count = sum(math.isfinite(value) for value in values)
    return found is not None and found > 1.645 / math.sqrt(count)


def _find_cut(series: np.ndarray[Any, Any]) -> int | None:
    """Return the index where a series is cut, or None where a random order of it could be cut as well."""
    import numpy as np

    if len(series) < 2 * MIN_SIZE or series.min() == series.max():
        return None
    # Distances are compared with each other only. What rounding makes of equal ones is left out, so that the unit doesn't matter.
    series = ((series - series.min()) / (series.max() - series.min())).round(DECIMALS)
    distances = np.abs(series[:, None] - series[None, :])
    for find_energies, alpha in ((_energies, ALPHA), (_passing_energies, ALPHA_PASSING)):
        energies = find_energies(distances[None])[0]
        cut = int(np.argmax(energies))
        orders = _random_orders(series.tolist())
        if _is_rare(float(energies[cut]), distances, find_energies, orders, int(alpha * (PERMUTATIONS + 1)) - 1):
            return cut + MIN_SIZE
    return None


def _is_rare(
    energy: float,
    distances: np.ndarray[Any, Any],
    find_energies: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]],
    orders: Iterator[list[int]],
    allowed: int,
) -> bool:
    """Whether no more random orders of a series than are allowed have as large an energy distance at their best place."""
    import numpy as np

    best = energy * (1 - 1e-12)
    as_good = 0
    seen, step = 0, 8
    while seen < PERMUTATIONS:
        step = max(1, min(2 * step, PERMUTATIONS - seen, _AT_ONCE // len(distances) ** 2))
        shuffled = np.array(list(itertools.islice(orders, step)))
        seen += step
        found = find_energies(distances[shuffled[:, :, None], shuffled[:, None, :]])
        as_good += int((found.max(axis=1) >= best).sum())
        if as_good > allowed:
            return False
    return True


def _energies(distances: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the energy distance of the two parts of each series at each place where it can be cut.

    Args:
        distances: between the values of each series, shape (m, n, n).

    Returns:
        Shape (m, n - 2 MIN_SIZE + 1): of cuts before index MIN_SIZE, MIN_SIZE + 1, ...
    """
    import numpy as np

    n = distances.shape[1]
    cuts = np.arange(MIN_SIZE, n - MIN_SIZE + 1)
    # What each value adds to the sum of distances within the part before it, and within the part after it.
    rows = np.cumsum(distances, axis=2)
    own = np.einsum("mii->mi", rows)
    before = np.cumsum(own, axis=1)[:, cuts - 1]
    total = rows[:, :, -1]
    after = (total - own)[:, ::-1].cumsum(axis=1)[:, ::-1][:, cuts]
    between = total.sum(axis=1)[:, None] / 2 - before - after
    left, right = cuts, n - cuts
    energy = 2 * between / (left * right) - before / (left * (left - 1) / 2) - after / (right * (right - 1) / 2)
    return energy * left * right / n  # type: ignore[no-any-return]


def _passing_energies(distances: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the energy distance of the part before each place and the part after it that ends where this is largest.

    Args:
        distances: between the values of each series, shape (m, n, n).

    Returns:
        Shape (m, n - 2 MIN_SIZE + 1): of cuts before index MIN_SIZE, MIN_SIZE + 1, ...
    """
    import numpy as np

    count, n, _ = distances.shape
    sums = distances.cumsum(axis=2).cumsum(axis=1)  # of the distances between the first values and the first others
    own = np.einsum("mii->mi", sums)
    ends = np.arange(2 * MIN_SIZE, n + 1)
    largest = []
    step = max(1, _AT_ONCE // (count * n))
    for begin in range(MIN_SIZE, n - MIN_SIZE + 1, step):
        left = np.arange(begin, min(begin + step, n - MIN_SIZE + 1))[:, None]
        right = np.maximum(ends - left, MIN_SIZE)
        before = own[:, left - 1] / 2
        between = sums[:, left - 1, ends - 1] - 2 * before
        after = own[:, None, ends - 1] / 2 - before - between
        energy = 2 * between / (left * right) - before / (left * (left - 1) / 2) - after / (right * (right - 1) / 2)
        energy = np.where(ends - left < MIN_SIZE, -np.inf, energy * left * right / (left + right))
        largest.append(energy.max(axis=2))
    return np.concatenate(largest, axis=1)


def _random_orders(values: list[float]) -> Iterator[list[int]]:
    """Yield random orders of a series; Python's generator gives the same ones with every version."""
    seed = hashlib.blake2b(struct.pack(f"<{len(values)}d", *values), digest_size=8).digest()
    draw = random.Random(int.from_bytes(seed, "little")).random  # noqa: S311 - no secrets
    while True:
        keys = [draw() for _ in values]
        yield sorted(range(len(values)), key=keys.__getitem__)
