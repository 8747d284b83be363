"""Grids of params, and the runs they stand for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mltraq.errors import GridError
from pytest_mltraq.grid import expand_grid, expand_grids, multiply

axes = st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(), min_size=1, max_size=3), max_size=3)


@given(axes)
def test_a_grid_has_a_run_for_each_combination(grid: dict[str, list[int]]) -> None:
    """The number of runs is the product of the axes, and each value of each axis is used."""
    runs = list(expand_grid(grid))

    assert len(runs) == math.prod(map(len, grid.values()))
    assert all(list(params) == list(grid) for params in runs)
    assert all({params[name] for params in runs} == set(values) for name, values in grid.items())


def test_the_first_axis_is_the_slowest() -> None:
    """Runs stand in the order of nested loops, and of the given values."""
    runs = expand_grid({"model": ["tree", "logreg"], "seed": [1, 0]})

    assert [(params["model"], params["seed"]) for params in runs] == [
        ("tree", 1),
        ("tree", 0),
        ("logreg", 1),
        ("logreg", 0),
    ]


def test_a_grid_without_axes_is_one_run() -> None:
    """Nothing that varies is one run without params."""
    assert list(expand_grid({})) == [{}]


@pytest.mark.parametrize(
    "values",
    [range(2), (0, 1), (n for n in range(2)), {0: "a", 1: "b"}.keys(), np.arange(2), pd.Series([0, 1])],
    ids=["range", "tuple", "generator", "view of keys", "array", "series"],
)
def test_an_axis_may_be_anything_that_lists_values(values: Any) -> None:
    """Ranges, tuples, generators, arrays and series are axes."""
    assert [params["x"] for params in expand_grid({"x": values, "y": [0]})] == [0, 1]


def test_values_of_an_axis_are_handed_over_as_they_are() -> None:
    """A value may be any object, also a list or None."""
    values = [None, [1, 2], {"a": 1}, dict, "text"]

    runs = list(expand_grid({"x": values}))

    assert all(params["x"] is value for params, value in zip(runs, values, strict=True))


@pytest.mark.parametrize("values", ["ab", b"ab", {"a": 1}, 5, None, 0.5], ids=repr)
def test_what_is_no_list_of_values_is_refused(values: Any) -> None:
    """A text or a dict is not taken apart; the error names the axis and says how one value is written."""
    with pytest.raises(GridError, match=r"'model'.*\[.*\] for one value"):
        list(expand_grid({"seed": [1], "model": values}))


@pytest.mark.parametrize("values", [[], (), range(0), iter(())], ids=["list", "tuple", "range", "iterator"])
def test_an_empty_axis_is_refused(values: Any) -> None:
    """An empty axis would stand for no run at all; the error names it."""
    with pytest.raises(GridError, match="'model' is empty"):
        list(expand_grid({"seed": [1], "model": values}))


def test_several_grids_are_their_union() -> None:
    """Runs of several grids stand one after another, as in scikit-learn's ParameterGrid."""
    union = expand_grids([{"model": ["tree"], "depth": [1, 2]}, {"model": ["logreg"]}])

    assert union == [{"model": "tree", "depth": 1}, {"model": "tree", "depth": 2}, {"model": "logreg"}]


def test_one_grid_is_a_union_of_itself() -> None:
    """A grid need not be put into a list."""
    assert expand_grids({"a": [1, 2]}) == expand_grids([{"a": [1, 2]}]) == [{"a": 1}, {"a": 2}]


def test_a_union_of_nothing_is_refused() -> None:
    """No grid at all would stand for no run."""
    with pytest.raises(GridError, match="at least one grid"):
        expand_grids([])


@pytest.mark.parametrize("grid", [5, "ab", ["a"], None], ids=repr)
def test_a_grid_that_is_no_mapping_is_refused(grid: Any) -> None:
    """The error says what was found."""
    with pytest.raises(GridError, match=type(grid).__name__):
        expand_grids([{"a": [1]}, grid])


def test_the_product_of_two_is_slowest_in_the_first() -> None:
    """Stacked grids multiply."""
    product = multiply([{"a": 1}, {"a": 2}], [{"b": 1}, {"b": 2}])

    assert product == [{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 1}, {"a": 2, "b": 2}]


def test_an_axis_in_both_factors_is_refused() -> None:
    """The error names the axis that is given twice."""
    with pytest.raises(GridError, match="'seed' is given twice"):
        multiply([{"seed": 1, "a": 1}], [{"seed": 2}])
