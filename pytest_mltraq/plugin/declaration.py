"""What an experiment is, as its module declares it, and what an item of it is."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_mltraq.bunch import FrozenBunch
from pytest_mltraq.codec import NOWHERE, Encoded, Home, Objects, encode_document
from pytest_mltraq.grid import own_values
from pytest_mltraq.plugin.options import SETTINGS
from pytest_mltraq.record import RunRecord
from pytest_mltraq.run import Run, derive_seed
from pytest_mltraq.steps import Step, step_name

STEP_PREFIX = "step_"

ABSENT = object()
"""What an axis is in a run that doesn't have it: a union of grids may give runs different axes."""


@dataclass(frozen=True, slots=True)
class Link:
    """A step in the chain of an experiment.

    Attributes:
        name: the step's name.
        function: what is called.
        method: its name in the class, where it is a method.
        required: names that it requests, and pytest must provide.
        optional: names that it takes where they are there.
        is_async: whether it must be awaited.
    """

    name: str
    function: Step
    method: str | None
    required: tuple[str, ...]
    optional: tuple[str, ...]
    is_async: bool

    def check(self, item: pytest.Item) -> None:
        """Fail the run where a required param is not on its axes: a union of grids may give runs different ones."""
        __tracebackhide__ = True
        available = fixture_values(item)
        for name in self.required:
            if available.get(name) is ABSENT:
                pytest.fail(f"{self.name} requests the param {name!r}, which this run doesn't have", pytrace=False)

    def call(self, item: pytest.Item) -> Any:
        """Call the step with what it requests."""
        __tracebackhide__ = True
        self.check(item)
        available = fixture_values(item)
        names = [*self.required, *(name for name in self.optional if available.get(name, ABSENT) is not ABSENT)]
        arguments = {name: available[name] for name in names}
        function = getattr(item.instance, self.method) if self.method else self.function  # type: ignore[attr-defined]
        return function(**arguments)


@dataclass(frozen=True, slots=True)
class CurrentExperiment:
    """The experiment of the current run.

    Attributes:
        name: what it is stored and loaded as.
        config: what is the same for all its runs.
        fields: what all its runs share, read-only: runs may be in different processes.
        doc: its docstring.
        nodeid: where it is.
    """

    name: str
    config: FrozenBunch
    fields: FrozenBunch
    doc: str | None
    nodeid: str


@dataclass(frozen=True, slots=True)
class Again:
    """How a run with a fresh seed differs from the item that is run again for it.

    Attributes:
        nodeid: what it is called.
        seed: its seed.
    """

    nodeid: str
    seed: int


@dataclass(frozen=True, slots=True)
class Declaration:
    """An experiment, as its module declares it.

    Attributes:
        experiment: its name, config and fields.
        chain: its steps.
        body: the experiment function itself, the last link.
        is_test: whether it is a plain test that requests `run`.
        metrics: what is judged of it, as it is stored.
        direct: names of the params that are handed to runs as they are, and don't go through a fixture.
        again: of a run with a fresh seed, how it differs from its item; None for the items themselves.
        positions: the place of each item, by node id, in the order of collection.
        attempts: how often each item was set up, by node id; a plugin may run an item again.
    """

    experiment: CurrentExperiment
    chain: tuple[Link, ...]
    body: Link
    is_test: bool = False
    metrics: tuple[dict[str, Any], ...] = ()
    direct: tuple[str, ...] = ()
    again: Again | None = None
    positions: dict[str, int] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)

    @property
    def has_async_steps(self) -> bool:
        """Whether an async plugin must drive the chain."""
        return any(link.is_async for link in self.chain)

    def requested(self) -> Iterator[str]:
        """Yield the names that the steps request."""
        for link in self.chain:
            yield from link.required

    def start(self, item: pytest.Item, home: Home = NOWHERE) -> Attempt:
        """Make the run of a new attempt at an item; it begins empty.

        Args:
            item: the item.
            home: where the run is going to be stored.
        """
        experiment, nodeid = self.experiment, item.nodeid if self.again is None else self.again.nodeid
        params = FrozenBunch(own_values(item_params(item)))
        objects: Objects = {}
        encoded = encode_document(params, "params", objects, home)
        config = copy.deepcopy(experiment.config) if experiment.config else experiment.config
        seed = derive_seed(experiment.name, params, encoded) if self.again is None else self.again.seed
        run = Run(params, config=config, seed=seed)
        run.attempts = self.attempts[nodeid] = self.attempts.get(nodeid, 0) + 1
        own = {digest: stored.detached() for digest, stored in objects.items()}  # a step may change a param's array
        return Attempt(item, nodeid, self.positions.setdefault(nodeid, 0), self, run, encoded, own)

    def requested_by(self, name: str) -> Link | None:
        """Return the step that requests a name."""
        return next((link for link in self.chain if name in link.required), None)


DECLARATION = pytest.StashKey[Declaration]()
"""The experiment of an item that is a run."""


@dataclass(slots=True)
class Attempt:
    """A run while pytest runs its item.

    Attributes:
        item: the item.
        nodeid: what the run is called: the item's, unless it is run again with a fresh seed.
        position: the run's place in the experiment, from 0.
        declaration: its experiment.
        run: the run.
        params: its params, encoded.
        objects: what the params refer to.
        stored: what an earlier session stored of it, where that counts and it is not executed again.
    """

    item: pytest.Item
    nodeid: str
    position: int
    declaration: Declaration
    run: Run
    params: Encoded
    objects: Objects
    stored: RunRecord | None = None

    def has_foreign_run(self) -> bool:
        """Whether the item is a test that got the suite's own fixture `run`, of a wider scope, set up earlier."""
        return self.declaration.is_test and fixture_values(self.item).get("run", self.run) is not self.run


def make_link(function: Any, method: str | None = None) -> Link:
    """Look up what a step requests."""
    is_static = isinstance(function, staticmethod)
    function = _function(function)
    parameters = list(inspect.signature(function).parameters.values())
    if method is not None and not is_static:
        parameters = parameters[1:]
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return Link(
        step_name(function),
        function,
        method,
        tuple(p.name for p in named if p.default is p.empty),
        tuple(p.name for p in named if p.default is not p.empty),
        inspect.iscoroutinefunction(inspect.unwrap(function)),
    )


def find_chain(collector: pytest.Collector, obj: Any) -> tuple[Link, ...]:
    """Return the chain of an experiment: that of the nearest `steps` marker, else the steps beside it.

    Args:
        collector: the module or class.
        obj: the experiment function.

    Raises:
        collector.CollectError: the marker names something that can't be called.
    """
    owner = collector.obj  # type: ignore[attr-defined]
    methods = _class_members(owner) if isinstance(owner, type) else {}
    marker = next(own_markers(obj, collector, "steps"), None)
    if marker is None:
        members = methods if isinstance(owner, type) else vars(owner)
        steps = [(name, value) for name, value in members.items() if name.startswith(STEP_PREFIX) and is_step(value)]
        return tuple(make_link(step, name if methods else None) for name, step in steps)
    # pytest takes a marker that is called with one function alone for a decorator of it: one step is a list.
    named = marker.args[0] if len(marker.args) == 1 and isinstance(marker.args[0], list) else marker.args
    for step in named:
        if not callable(_function(step)):
            message = f"{place(obj)}: the marker steps expects functions, found {type(step).__name__} {step!r}"
            raise collector.CollectError(message)
    names = {id(_function(value)): name for name, value in methods.items()}
    return tuple(make_link(step, names.get(id(_function(step)))) for step in named)


def is_step(value: object) -> bool:
    """Whether something called `step_...` is a step: a function, not a fixture or a class."""
    function = _function(value)
    return inspect.isfunction(function) or inspect.isbuiltin(function) or isinstance(function, functools.partial)


def _function(value: Any) -> Any:
    return value.__func__ if isinstance(value, staticmethod | classmethod) else value


def _class_members(owner: type) -> dict[str, Any]:
    """Return the members of a class in the order of definition, inherited ones first."""
    members: dict[str, Any] = {}
    for base in reversed(owner.__mro__):
        members.update(vars(base))
    return members


def own_markers(obj: Any, collector: pytest.Collector, name: str) -> Iterator[pytest.Mark]:
    """Yield the markers of a function before it is an item, nearest first."""
    marks = getattr(obj, "pytestmark", [])
    yield from (mark for mark in marks if mark.name == name)
    yield from collector.iter_markers(name)


def place(obj: Callable[..., Any]) -> str:
    """Say where a function is, for errors."""
    code = inspect.unwrap(obj).__code__
    return f"{code.co_filename}:{code.co_firstlineno} {obj.__name__}"


def name_test(item: pytest.Item) -> str:
    """Return the name of the experiment that a plain test is: its place in the suite, such as `tests.test_model.test_a`."""
    path, *names = item.nodeid.partition("[")[0].split("::")
    return ".".join([path.removesuffix(".py").replace("/", ".").strip("."), *names])


def declare_test(item: pytest.Item, metrics: tuple[dict[str, Any], ...] = ()) -> Declaration:
    """Declare a plain test that requests `run` as an experiment of its own.

    Args:
        item: a run of it.
        metrics: what is judged of it, as it is stored.

    Raises:
        TypeError: the item is no function, such as a doctest.
    """
    if not isinstance(item, pytest.Function):
        message = f"the fixtures run and experiment are for test functions, {item.nodeid} is {type(item).__name__}"
        raise TypeError(message)
    config = FrozenBunch(item.config.stash[SETTINGS].config)
    doc = inspect.getdoc(item.function)
    nodeid = item.nodeid.partition("[")[0]
    experiment = CurrentExperiment(name_test(item), config, FrozenBunch(), doc, nodeid)
    body = Link(item.originalname, item.function, None, (), (), is_async=False)
    return Declaration(experiment, (), body, is_test=True, metrics=metrics)


def current_run(item: pytest.Item) -> Run:
    """Return a run for an item of a suite in which the plugin sleeps; nobody stores it."""
    return declare_test(item).start(item).run


def current_experiment(item: pytest.Item) -> CurrentExperiment:
    """Return the experiment of an item; a test without `run` is one too, of which nothing is stored."""
    declaration = item.stash.get(DECLARATION, None)
    return (declare_test(item) if declaration is None else declaration).experiment


def fixture_values(item: pytest.Item) -> dict[str, Any]:
    """Return the values of the fixtures and params that an item requests."""
    return getattr(item, "funcargs", {})


def item_params(item: pytest.Item) -> dict[str, Any]:
    """Return what an item was parametrized with."""
    callspec = getattr(item, "callspec", None)
    return {} if callspec is None else {name: value for name, value in callspec.params.items() if value is not ABSENT}
