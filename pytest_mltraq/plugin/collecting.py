"""Experiments among what pytest collects.

Everything is left to pytest's own collection (ids, marks, fixtures, parametrization): an experiment function is said to be
a test, the names that its steps request are added by `usefixtures`, and its runs by `metafunc.parametrize`.
"""

from __future__ import annotations

import inspect
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_mltraq.bunch import FrozenBunch
from pytest_mltraq.codec import describe_code, encode_document
from pytest_mltraq.errors import GridError
from pytest_mltraq.grid import Params, expand_grids, multiply
from pytest_mltraq.plugin.declaration import (
    ABSENT,
    DECLARATION,
    CurrentExperiment,
    Declaration,
    declare_test,
    find_chain,
    item_params,
    make_link,
    own_markers,
    place,
)
from pytest_mltraq.plugin.options import Settings, matches
from pytest_mltraq.plugin.running import Running

LONGEST_ID = 40
"""Texts up to this length are part of an id; longer ones make it unreadable."""

RESERVED_AXES = ("run", "experiment", "request")

_Param = type(pytest.param())


class Collecting:
    """Collects experiments; one object for each pytest session."""

    def __init__(self, config: pytest.Config, settings: Settings, running: Running) -> None:
        self._config = config
        self._settings = settings
        self._running = running
        self._declared: dict[tuple[str, str], Declaration] = {}
        self._places: dict[str, str] = {}
        self._mark = pytest.mark.experiment

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(self, collector: pytest.Collector, name: str, obj: object) -> pytest.Collector | None:
        """Have pytest collect experiment classes and functions."""
        if inspect.isclass(obj):
            if self._is_experiment_class(collector, name, obj):
                return pytest.Class.from_parent(collector, name=name, obj=obj)
            return None
        function = obj.__func__ if isinstance(obj, staticmethod) else obj
        if inspect.isfunction(function) and self._is_experiment(collector, name, function):
            self._declare(collector, name, function)
        return None

    def _is_experiment_class(self, collector: pytest.Collector, name: str, obj: type) -> bool:
        return (
            _defined_in(collector, obj)
            and matches(name, self._settings.classes)
            and getattr(obj, "__test__", True) is not False
        )

    def _is_experiment(self, collector: pytest.Collector, name: str, function: Any) -> bool:
        if function.__dict__.get("__test__") is False:
            return False
        if any(mark.name == "experiment" for mark in getattr(function, "pytestmark", [])):
            return True
        if not matches(name, self._settings.functions):
            return False
        if isinstance(collector, pytest.Class):
            return matches(collector.name, self._settings.classes)
        return _defined_in(collector, function)

    def _declare(self, collector: pytest.Collector, name: str, function: Any) -> None:
        chain = find_chain(collector, function)
        experiment = self._describe(collector, name, function)
        declaration = Declaration(
            experiment, chain, make_link(function, name if isinstance(collector, pytest.Class) else None)
        )
        self._declared[collector.nodeid, name] = declaration
        requested = dict.fromkeys(["run", *declaration.requested(), *self._axes(collector, function)])
        pytest.mark.usefixtures(*requested)(function)
        function.__test__ = True
        if declaration.has_async_steps:
            setattr(collector.obj, name, self._running.drive(function))  # type: ignore[attr-defined]

    def _describe(self, collector: pytest.Collector, name: str, function: Any) -> CurrentExperiment:
        given: dict[str, Any] = {}
        for mark in reversed(list(own_markers(function, collector, "experiment"))):
            given |= mark.kwargs
        experiment_name = given.pop("name", None) or name.removeprefix("experiment_") or name
        if not isinstance(experiment_name, str) or "\0" in experiment_name:
            message = f"{place(function)}: expected the experiment's name as text, found {experiment_name!r}"
            raise collector.CollectError(message)
        config = given.pop("config", None) or {}
        if not isinstance(config, dict):
            message = f"{place(function)}: the marker experiment expects config as a dict, found {config!r}"
            raise collector.CollectError(message)
        here = f"{collector.nodeid}::{name}"
        other = self._places.setdefault(experiment_name, here)
        if other != here:
            message = (
                f"two experiments are called {experiment_name!r}: {other} and {here}; "
                f"name one of them with @pytest.mark.experiment(name=...)"
            )
            raise collector.CollectError(message)
        config = FrozenBunch({**config, **self._settings.config})
        for values, what in ((config, "config"), (FrozenBunch(given), "fields")):
            for error in encode_document(values, what, None).refused:
                message = f"{place(function)}: the marker experiment: {error}"
                raise collector.CollectError(message)
        return CurrentExperiment(experiment_name, config, FrozenBunch(given), inspect.getdoc(function), here)

    def _axes(self, collector: pytest.Collector, function: Any) -> Iterator[str]:
        """Yield the names that parametrization gives values to, so that runs have them whoever requests them."""
        for mark in own_markers(function, collector, "parametrize"):
            names = mark.args[0] if mark.args else mark.kwargs.get("argnames", ())
            yield from [name.strip() for name in names.split(",")] if isinstance(names, str) else names
        yield from dict.fromkeys(itertools.chain.from_iterable(_params(function, collector)))

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make runs of the `runs` markers."""
        definition = metafunc.definition
        if next(definition.iter_markers("runs"), None) is None:
            return
        combinations = _params(metafunc.function, definition.parent)
        axes = list(dict.fromkeys(itertools.chain.from_iterable(combinations)))
        short = {axis: _Short(axis) for axis in axes}
        rows = [_row(axes, params) for params in combinations]
        ids = ["-".join(short[axis](params[axis]) for axis in axes if axis in params) for params in combinations]
        metafunc.parametrize(axes, rows, ids=ids)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Say which items are runs, and with which params."""
        if not isinstance(item, pytest.Function) or item.parent is None:
            return
        key = item.parent.nodeid, item.originalname
        declaration = self._declared.get(key)
        if declaration is None:
            if "run" not in item.fixturenames:
                return
            declaration = self._declared[key] = declare_test(item)
            self._places.setdefault(declaration.experiment.name, declaration.experiment.nodeid)
        item.stash[DECLARATION] = declaration
        declaration.positions[item.nodeid] = len(declaration.positions)
        params = {name: describe_code(value) or value for name, value in item_params(item).items()}
        item.add_marker(self._mark.with_args(**params))

    def pytest_report_collectionfinish(self, items: list[pytest.Item]) -> str | list[str]:
        """Say how many runs of which experiments there are."""
        declared = [item.stash[DECLARATION] for item in items if DECLARATION in item.stash]
        if not declared or self._config.get_verbosity() < 0:
            return []
        runs = Counter(declaration.experiment.name for declaration in declared)
        lines = [f"mltraq: {_count(len(declared), 'run')} of {_count(len(runs), 'experiment')}"]
        if self._config.option.collectonly:
            for declaration in {declaration.experiment.name: declaration for declaration in declared}.values():
                name = declaration.experiment.name
                steps = " > ".join(link.name for link in (*declaration.chain, declaration.body))
                lines.append(f"  {name}: {_count(runs[name], 'run')}, {steps}")
        return lines


def _defined_in(collector: pytest.Collector, obj: Any) -> bool:
    """Whether an object was defined in the collector's module, not imported there."""
    module = collector.getparent(pytest.Module)
    return module is not None and bool(obj.__module__ == module.obj.__name__)


def _params(function: Any, collector: Any) -> list[Params]:
    """Return the params of each run that the `runs` markers stand for.

    Raises:
        collector.CollectError: a marker is wrong.
    """
    combinations: list[Params] = [{}]
    for mark in own_markers(function, collector, "runs"):
        if bool(mark.args) == bool(mark.kwargs) or len(mark.args) > 1:
            message = (
                f"{place(function)}: the marker runs expects axes, runs(seed=range(5)), or one grid or list of grids"
            )
            raise collector.CollectError(message)
        try:
            combinations = multiply(combinations, expand_grids(mark.args[0] if mark.args else mark.kwargs))
        except GridError as error:
            message = f"{place(function)}: the marker runs: {error}"
            raise collector.CollectError(message) from None
    for axis in itertools.chain.from_iterable(combinations):
        if type(axis) is not str or axis in RESERVED_AXES:
            message = f"{place(function)}: the marker runs: an axis can't be called {axis!r}"
            raise collector.CollectError(message)
    return combinations


class _Short:
    """Ids of the values of an axis: a short literal where there is one, else the value's index on the axis."""

    def __init__(self, axis: str) -> None:
        self._axis = axis
        self._indexes: dict[int, int] = {}

    def __call__(self, value: Any) -> str:
        index = self._indexes.setdefault(id(value), len(self._indexes))
        text = _literal(value.values[0] if isinstance(value, _Param) else value)
        return f"{self._axis}:{index if text is None else text}"


def _literal(value: Any) -> str | None:
    if isinstance(value, str):
        return value if len(value) <= LONGEST_ID and value.isprintable() and value else None
    if value is None or isinstance(value, bool | int | float):
        return str(value)
    if type(value).__module__ == "numpy" and hasattr(value, "item") and not getattr(value, "shape", ()):
        return str(value)
    return describe_code(value)


def _row(axes: list[str], params: Params) -> Any:
    """Make the values of a run; marks of values that are given as `pytest.param` are its marks."""
    values = [params.get(axis, ABSENT) for axis in axes]
    marked = [value for value in values if isinstance(value, _Param)]
    if not marked:
        return values
    plain = [value.values[0] if isinstance(value, _Param) else value for value in values]
    return pytest.param(*plain, marks=[mark for value in marked for mark in value.marks])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
