"""Where the level of a series changed."""

from __future__ import annotations

import csv
import json
import math
import random
import statistics
import tracemalloc
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_mltraq.change_points import (
    _energies,
    _passing_energies,
    autocorrelation,
    find_change_points,
    is_autocorrelated,
    level_start,
)

LABELLED = Path(__file__).parents[2] / "shared" / "data" / "ml_history"
"""Labelled histories, which the repository doesn't have."""


def noise(count: int, level: float = 0.0, sd: float = 1.0, seed: int = 0) -> list[float]:
    """Make values around a level, the same ones always."""
    draw = random.Random(f"{seed} {count} {level}")
    return [draw.gauss(level, sd) for _ in range(count)]


def test_a_change_is_found_where_it_is() -> None:
    """The index is that of the first value of the new level."""
    assert find_change_points([*noise(30), *noise(30, 4)]) == [30]
    assert level_start([*noise(30), *noise(30, 4)]) == 30


def test_several_changes_are_found() -> None:
    """Up, down, and to a level that was there before."""
    series = [*noise(20), *noise(20, 5), *noise(20, -3, seed=1), *noise(20, 5, seed=2)]

    assert find_change_points(series) == [20, 40, 60]
    assert level_start(series) == 60


@pytest.mark.parametrize(("begin", "end"), [(15, 45), (25, 30), (28, 32)])
def test_a_level_that_passes_is_found(begin: int, end: int) -> None:
    """A mistake that is mended makes what comes after it like what was before."""
    series = [*noise(begin), *noise(end - begin, 6), *noise(60 - end, seed=1)]

    assert find_change_points(series) == [begin, end]


def test_a_change_of_the_last_values_is_found() -> None:
    """Some commits after a change it can be seen."""
    assert find_change_points([*noise(40), *noise(4, 6)]) == [40]


@pytest.mark.parametrize("seed", range(8))
def test_noise_has_no_change(seed: int) -> None:
    """One of a hundred may have; these have none."""
    assert find_change_points(noise(60, seed=seed)) == []
    assert level_start(noise(60, seed=seed)) == 0


def test_a_long_history_fits_the_memory() -> None:
    """Random orders are looked at in portions: all at once, those of 600 values would take 2 GB."""
    values = [*noise(300), *noise(300, 3)]
    tracemalloc.start()
    try:
        assert find_change_points(values) == [300]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 100e6


@pytest.mark.parametrize("length", range(4))
def test_a_short_series_has_no_change(length: int) -> None:
    """Of less than two values on each side nothing is said."""
    assert find_change_points([0.0, 0.0, 1.0, 1.0][:length]) == []


def test_a_constant_series_has_no_change() -> None:
    """Nor has one with a single other value, which is no level."""
    assert find_change_points([0.9] * 30) == []
    assert find_change_points([0.9] * 20 + [0.8] + [0.9] * 20) == []


def test_a_step_of_a_series_without_noise_is_found() -> None:
    """Metrics of fixed seeds don't vary but where the code changed."""
    assert find_change_points([0.9] * 10 + [0.8] * 10) == [10]


def test_a_value_that_is_no_number_is_passed_over() -> None:
    """The indexes are those of the whole series."""
    series = [*noise(30), *noise(30, 4)]
    series[5], series[29], series[45] = math.nan, math.inf, math.nan

    assert find_change_points(series) == [30]
    assert find_change_points([math.nan] * 10) == []


@example(values=[0.0, 0.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5], scale=0.01, shift=8.0)
@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), max_size=30), st.floats(0.01, 100), st.floats(-50, 50))
def test_scale_and_place_do_not_matter(values: list[float], scale: float, shift: float) -> None:
    """Metrics may be of any size."""
    moved = [value * scale + shift for value in values]

    assert find_change_points(moved) == find_change_points(values)


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=12))
def test_the_energy_distance_is_that_of_its_formula(values: list[float]) -> None:
    """Matteson and James, equation 5, at each place."""
    series = np.array(values)
    found = _energies(np.abs(series[:, None] - series[None, :])[None])[0]

    for at, energy in enumerate(found, start=2):
        left, right = values[:at], values[at:]
        n, m = len(left), len(right)
        between = 2 / (n * m) * sum(abs(x - y) for x in left for y in right)
        within = [sum(abs(x - y) for i, x in enumerate(part) for y in part[:i]) for part in (left, right)]
        expected = n * m / (n + m) * (between - within[0] / math.comb(n, 2) - within[1] / math.comb(m, 2))
        assert energy == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=10))
def test_the_energy_distance_of_a_passing_level_is_the_largest_of_those_that_end_somewhere(values: list[float]) -> None:
    """It is the same formula, for the parts of the series that begin at its beginning."""
    series = np.array(values)
    distances = np.abs(series[:, None] - series[None, :])[None]
    found = _passing_energies(distances)[0]

    for at, energy in enumerate(found, start=2):
        ends = range(at + 2, len(values) + 1)
        expected = max(_energies(distances[:, :end, :end])[0][at - 2] for end in ends)
        assert energy == pytest.approx(expected, abs=1e-9)


def test_neighbours_that_resemble_each_other_are_noticed() -> None:
    """Drift and slow noise look like changes of level."""
    draw = random.Random(0)
    slow = [0.0]
    for _ in range(99):
        slow.append(0.8 * slow[-1] + draw.gauss(0, 1))

    assert is_autocorrelated(slow)
    assert not is_autocorrelated(noise(100))
    found = autocorrelation(slow)
    assert found is not None
    assert found > 0.5


def test_a_change_of_level_is_no_autocorrelation() -> None:
    """What remains beside the levels counts."""
    series = [*noise(50), *noise(50, 6)]

    assert is_autocorrelated(series)
    assert not is_autocorrelated(series, [50])


@pytest.mark.parametrize("series", [[], [1.0], [1.0, 2.0, 1.0], [0.9] * 20, [math.nan] * 9])
def test_what_does_not_vary_has_no_autocorrelation(series: list[float]) -> None:
    """There is nothing to resemble."""
    assert autocorrelation(series) is None
    assert not is_autocorrelated(series)


@pytest.mark.slow
@pytest.mark.skipif(not LABELLED.is_dir(), reason="the labelled histories are not there")
def test_changes_of_real_histories_are_found_and_no_others() -> None:
    """F1 of at least 0.90 on metrics of real models, and no change where there is none.

    A change counts as found within three commits. Those of less than one standard deviation of a commit's mean don't count.
    """
    labels = json.loads((LABELLED / "labels.json").read_text(encoding="utf-8"))
    values: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    with (LABELLED / "runs.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for metric in ("accuracy", "macro_f1", "log_loss"):
                values[row["series"], metric][int(row["commit"])].append(float(row[metric]))
    true_positives = false_positives = false_negatives = alarms = 0
    for (name, metric), commits in values.items():
        found = find_change_points([statistics.fmean(commits[at]) for at in sorted(commits)])
        change = labels[name]["change_at"]
        if change is None:
            alarms += len(found)
        elif abs(labels[name][metric]["d_over_commit_sd"]) >= 1:
            hits = [at for at in found if abs(at - change) <= 3]
            true_positives += bool(hits)
            false_negatives += not hits
            false_positives += len(found) - bool(hits)

    assert alarms == 0
    assert 2 * true_positives / (2 * true_positives + false_positives + false_negatives) >= 0.9
