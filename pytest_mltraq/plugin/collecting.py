"""Experiments among what pytest collects.

Everything is left to pytest's own collection (ids, marks, fixtures, parametrization): an experiment function is said to be
a test, the names that its steps request are added by `usefixtures`, and its runs by `metafunc.parametrize`.
"""

from __future__ import annotations

import inspect
import itertools
import unittest
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from typing import Any

import pytest

from pytest_mltraq.bunch import FrozenBunch
from pytest_mltraq.codec import describe_code, encode_document
from pytest_mltraq.counting import counted
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
    name_test,
    own_markers,
    place,
)
from pytest_mltraq.plugin.metrics import find_metrics, own_marks, read_ini, refuse_marks_of_params
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
        self._ini_metrics = read_ini(settings.metrics)
        self._declared: dict[tuple[str, str], Declaration] = {}
        self._places: dict[str, str] = {}
        self._functions: set[Any] = set()
        self._drivers: set[Any] = set()
        self._expanded: dict[int, tuple[pytest.Mark, list[Params] | None]] = {}
        self._mark = pytest.mark.experiment
        self._last: tuple[pytest.Collector | None, str, Declaration | None] = None, "", None

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(self, collector: pytest.Collector, name: str, obj: object) -> Any:
        """Have pytest collect experiment classes and functions."""
        if inspect.isclass(obj):
            if self._is_experiment_class(collector, name, obj):
                return pytest.Class.from_parent(collector, name=name, obj=obj)
            return None
        function = obj.__func__ if isinstance(obj, staticmethod) else obj
        if not inspect.isfunction(function):
            return None
        if function in self._drivers:
            return None
        if self._is_experiment(collector, name, function):
            declaration = self._declare(collector, name, function)
            if declaration.has_async_steps:
                return self._collect_async(collector, name, function)
        elif function in self._functions and not matches(name, self._config.getini("python_functions")):
            return []  # imported: it is an experiment where it is defined
        return None

    def _is_experiment_class(self, collector: pytest.Collector, name: str, obj: type) -> bool:
        return (
            matches(name, self._settings.classes)
            and _defined_in(collector, obj)
            and getattr(obj, "__test__", True) is not False
            and not issubclass(obj, unittest.TestCase)
        )

    def _is_experiment(self, collector: pytest.Collector, name: str, function: Any) -> bool:
        if function.__dict__.get("__test__") is False:
            return False
        is_method = isinstance(collector, pytest.Class)
        if not is_method and not _defined_in(collector, function):
            return False
        if any(mark.name == "experiment" for mark in getattr(function, "pytestmark", [])):
            return True
        of_experiments = not is_method or matches(collector.name, self._settings.classes)
        return of_experiments and matches(name, self._settings.functions)

    def _declare(self, collector: pytest.Collector, name: str, function: Any) -> Declaration:
        chain = find_chain(collector, function)
        method = name if isinstance(collector, pytest.Class) else None
        experiment = self._describe(collector, name, function)
        metrics = self._metrics(function, collector, experiment.name)
        own = list(getattr(function, "pytestmark", []))
        marks = filter(_is_direct, (*own, *collector.iter_markers()))
        direct = tuple(dict.fromkeys(self._axes(marks, function, collector)))
        declaration = Declaration(experiment, chain, make_link(function, method), metrics=metrics, direct=direct)
        self._declared[collector.nodeid, name] = declaration
        self._functions.add(function)
        function.__test__ = True
        requested = {"run", *self._axes(own, function, collector)}
        shared = {*self._axes(collector.iter_markers(), function, collector)}
        if method is None or any(mark.name == "steps" for mark in own):
            requested.update(declaration.requested())
        else:
            shared.update(declaration.requested())
        if method is None:
            requested |= shared
        elif shared:
            # Of the class and not of the function, which other classes may inherit.
            collector.add_marker(pytest.mark.usefixtures(*sorted(shared)))
        pytest.mark.usefixtures(*sorted(requested))(function)
        return declaration

    def _collect_async(self, collector: Any, name: str, function: Any) -> Any:
        """Have a coroutine function collected in the place of an experiment with async steps, by every plugin."""
        driver = self._running.drive(function)
        self._drivers.add(driver)
        setattr(collector.obj, name, driver)
        return collector.ihook.pytest_pycollect_makeitem(collector=collector, name=name, obj=driver)

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
            for error in encode_document(values, what, None, self._running.home._replace(artifacts=None)).refused:
                message = f"{place(function)}: the marker experiment: {error}"
                raise collector.CollectError(message)
        return CurrentExperiment(experiment_name, config, FrozenBunch(given), inspect.getdoc(function), here)

    def _metrics(self, function: Any, collector: pytest.Collector, experiment: str) -> tuple[dict[str, Any], ...]:
        found = find_metrics(function, collector, experiment, self._ini_metrics)
        return tuple(declared.plain() for declared in found)

    def _axes(self, marks: Iterable[pytest.Mark], function: Any, collector: pytest.Collector) -> Iterator[str]:
        """Yield the names that markers give values to, so that runs have them whoever requests them."""
        for mark in marks:
            if mark.name == "parametrize":
                names = mark.args[0] if mark.args else mark.kwargs.get("argnames", ())
                yield from [name.strip() for name in names.split(",")] if isinstance(names, str) else names
            elif mark.name == "runs":
                yield from itertools.chain.from_iterable(self._expand(mark, function, collector))

    def _expand(self, mark: pytest.Mark, function: Any, collector: Any) -> list[Params]:
        """Return the params that a `runs` marker stands for; once, because an axis may be an iterator.

        Raises:
            collector.CollectError: the marker is wrong.
        """
        _, known = self._expanded.get(id(mark), (mark, None))
        if known is None:
            try:
                known = _expand(mark)
            except GridError as error:
                message = f"{place(function)}: the marker runs: {error}"
                raise collector.CollectError(message) from None
            self._expanded[id(mark)] = mark, known
        return known

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make runs of the `runs` markers; look at the `metric` markers of plain tests, while they can be refused."""
        definition, collector = metafunc.definition, metafunc.definition.parent
        is_declared = collector is not None and (collector.nodeid, definition.name) in self._declared
        if collector is not None and not is_declared:
            self._check_metrics(metafunc, collector)
        marks = [mark for mark in definition.iter_markers("runs") if is_declared or mark in definition.own_markers]
        if not marks:
            return
        combinations: list[Params] = [{}]
        for mark in marks:
            try:
                combinations = multiply(combinations, self._expand(mark, metafunc.function, collector))
            except GridError as error:
                message = f"{place(metafunc.function)}: the marker runs: {error}"
                raise pytest.Collector.CollectError(message) from None
        axes = list(dict.fromkeys(itertools.chain.from_iterable(combinations)))
        short = {axis: _Short(axis) for axis in axes}
        rows = [_row(axes, params) for params in combinations]
        ids = ["-".join(short[axis](params[axis]) for axis in axes if axis in params) for params in combinations]
        metafunc.parametrize(axes, rows, ids=ids)

    def _check_metrics(self, metafunc: pytest.Metafunc, collector: pytest.Collector) -> None:
        """Refuse wrong markers of a plain test.

        Raises:
            collector.CollectError: one is wrong, or the test is no experiment.
        """
        if "run" in metafunc.fixturenames:
            find_metrics(metafunc.function, collector, "", ())
        elif own_marks(metafunc.function):
            message = f"{place(metafunc.function)}: the marker metric is for experiments, and tests that request the fixture run"
            raise collector.CollectError(message)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Count the runs of experiments before any are left out, by `--lf`, a node id, `-k`, or another plugin."""
        report = yield
        found: Counter[str] = Counter()
        for item in report.result or ():
            if isinstance(item, pytest.Function):
                declaration = self._find(item, collector)
                if declaration is not None:
                    found[declaration.experiment.name] += 1
        self._running.found.update(found)
        return report

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Say which items are runs, and with which params."""
        if not isinstance(item, pytest.Function) or item.parent is None:
            return
        declaration = self._find(item, item.parent)
        if declaration is None:
            return
        if declaration.metrics:
            refuse_marks_of_params(item)
        item.stash[DECLARATION] = declaration
        declaration.positions[item.nodeid] = len(declaration.positions)
        params = {name: describe_code(value) or value for name, value in item_params(item).items()}
        item.add_marker(self._mark.with_args(**params))

    def _find(self, item: pytest.Function, collector: pytest.Collector) -> Declaration | None:
        """Return the experiment that an item is a run of; items of one function come one after another."""
        known, name, declaration = self._last
        if known is collector and name == item.originalname:
            return declaration
        key = collector.nodeid, item.originalname
        declaration = self._declared.get(key)
        if declaration is None and "run" in item.fixturenames:
            metrics = self._metrics(item.function, collector, name_test(item))
            declaration = self._declared[key] = declare_test(item, metrics)
            self._places.setdefault(declaration.experiment.name, declaration.experiment.nodeid)
        self._last = collector, item.originalname, declaration
        return declaration

    def pytest_report_collectionfinish(self, items: list[pytest.Item]) -> str | list[str]:
        """Say how many runs of which experiments there are."""
        declared = [item.stash[DECLARATION] for item in items if DECLARATION in item.stash]
        if not declared or self._config.get_verbosity() < 0:
            return []
        runs = Counter(declaration.experiment.name for declaration in declared)
        lines = [f"mltraq: {counted(len(declared), 'run')} of {counted(len(runs), 'experiment')}"]
        if self._config.option.collectonly:
            for declaration in {declaration.experiment.name: declaration for declaration in declared}.values():
                name = declaration.experiment.name
                steps = " > ".join(link.name for link in (*declaration.chain, declaration.body))
                lines.append(f"  {name}: {counted(runs[name], 'run')}, {steps}")
        return lines


def _defined_in(collector: pytest.Collector, obj: Any) -> bool:
    """Whether an object was defined in the collector's module, not imported there."""
    module = collector.getparent(pytest.Module)
    return module is not None and bool(obj.__module__ == module.obj.__name__)


def _is_direct(mark: pytest.Mark) -> bool:
    """Whether the values that a marker gives are those of the params, and no params of fixtures."""
    return mark.name == "runs" or not (mark.kwargs.get("indirect") or mark.args[2:])


def _expand(mark: pytest.Mark) -> list[Params]:
    """Return the params that a `runs` marker stands for.

    Raises:
        GridError: the marker is wrong.
    """
    if bool(mark.args) == bool(mark.kwargs) or len(mark.args) > 1:
        message = "expected axes, runs(seed=range(5)), or one grid or list of grids"
        raise GridError(message)
    combinations = expand_grids(mark.args[0] if mark.args else mark.kwargs)
    for axis in itertools.chain.from_iterable(combinations):
        if type(axis) is not str or axis in RESERVED_AXES:
            message = f"an axis can't be called {axis!r}"
            raise GridError(message)
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
