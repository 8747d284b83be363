"""Grids of params and the runs they stand for."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pytest_mltraq.errors import GridError

Params = dict[str, Any]
Grid = Mapping[str, Iterable[Any]]


def expand_grid(grid: Grid) -> Iterator[Params]:
    """Yield one dict of params for each combination of a grid, the first axis slowest.

    Args:
        grid: the values of each axis. A text or a mapping is no list of values, although it can be iterated.

    Raises:
        GridError: an axis is empty or no list of values; the message names it.

    Example:
        >>> list(expand_grid({"lr": [0.1, 0.2], "seed": range(2)}))
        [{'lr': 0.1, 'seed': 0}, {'lr': 0.1, 'seed': 1}, {'lr': 0.2, 'seed': 0}, {'lr': 0.2, 'seed': 1}]
    """
    axes = {name: _axis(name, values) for name, values in grid.items()}
    for combination in itertools.product(*axes.values()):
        yield dict(zip(axes, combination, strict=True))


def expand_grids(grids: Grid | Iterable[Grid]) -> list[Params]:
    """Expand a grid, or the union of several, as scikit-learn's `ParameterGrid` does.

    Raises:
        GridError: a grid is empty, is no mapping, or has a wrong axis.
    """
    union = [grids] if isinstance(grids, Mapping) else list(grids)
    if not union:
        message = "expected at least one grid, found an empty list: it stands for no run at all"
        raise GridError(message)
    for grid in union:
        if not isinstance(grid, Mapping):
            message = f"expected a grid, a dict of axis names and lists of values, found {type(grid).__name__} {grid!r}"
            raise GridError(message)
    return [params for grid in union for params in expand_grid(grid)]


def multiply(first: Iterable[Params], second: list[Params]) -> list[Params]:
    """Combine each params of the first with each of the second.

    Raises:
        GridError: both have an axis of the same name.
    """
    product = []
    for left, right in itertools.product(first, second):
        both = left.keys() & right.keys()
        if both:
            message = f"axis {min(both)!r} is given twice: name it in one marker only"
            raise GridError(message)
        product.append(left | right)
    return product


def own_values(params: Mapping[str, Any]) -> Params:
    """Copy the lists, dicts and sets among params, so that what a run does to one doesn't reach other runs."""
    return {name: copy.deepcopy(value) if type(value) in (list, dict, set) else value for name, value in params.items()}


def _axis(name: str, values: Iterable[Any]) -> list[Any]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        message = f"axis {name!r}: expected a list of values, found {type(values).__name__} {values!r}: write [{values!r}] for one value"
        raise GridError(message)
    axis = list(values)
    if not axis:
        message = f"axis {name!r} is empty: it stands for no run at all; give it a value or leave the axis out"
        raise GridError(message)
    return axis
