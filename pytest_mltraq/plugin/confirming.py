"""A second look at metrics that would fail: their runs again, with fresh seeds.

An item is run again by pytest's own protocol, once for each fresh seed. Where the runs have a param `seed`, it is a number that
the experiment doesn't have; elsewhere the params stay, and `run.seed` is another. Either way the same seeds are fresh in each
session, so that a second look can be repeated. Under pytest-xdist the workers have ended by then: this process collects the
experiments and runs them itself, one after another.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import pytest

from pytest_mltraq.bunch import FrozenBunch
from pytest_mltraq.codec import dump_json, encode_document
from pytest_mltraq.groups import CONFIRMING, label_params, readable_params, split_params
from pytest_mltraq.judged import Judged
from pytest_mltraq.plugin.declaration import DECLARATION, Again, Declaration, item_params
from pytest_mltraq.run import derive_seed

SEED: Final = "seed"
"""The param that is given fresh values."""


class _Fresh(NamedTuple):
    """A run that is to be made: an item, with another value of its param `seed` or another `run.seed`."""

    item: pytest.Function
    params: dict[str, Any]
    number: int


def confirm_runs(session: pytest.Session, failing: Sequence[Judged], count: int) -> list[str]:
    """Run the groups of metrics again, with fresh seeds.

    Args:
        session: pytest's, whose runs ended.
        failing: the metrics.
        count: how many fresh seeds.

    Returns:
        What the runs are called that were made.
    """
    items = list(_items(session, failing))
    fresh = [*_fresh_runs(items, failing, count)]
    session.testscollected += len(fresh)
    for at, run in enumerate(fresh):
        following = fresh[at + 1].item if at + 1 < len(fresh) else None
        if following is run.item:  # pytest would not tear down what it thinks is needed again
            following = next((item for item in items if item is not run.item and item.parent is run.item.parent), None)
        _run(run, following if at + 1 < len(fresh) else None)
    return [_nodeid(run) for run in fresh]


def _items(session: pytest.Session, failing: Sequence[Judged]) -> Iterator[pytest.Function]:
    """Yield the items of the experiments that metrics are of."""
    items: Iterable[pytest.Item] = session.items
    if not session.items:  # of pytest-xdist: only its workers collected
        collected = session.testscollected
        nodeids = dict.fromkeys(judged.nodeid for judged in failing if judged.nodeid is not None)
        places = [str(session.config.rootpath / nodeid) for nodeid in nodeids]
        items = session.perform_collect(places)
        session.testscollected = collected
    names = {judged.verdict.experiment for judged in failing}
    for item in items:
        declaration = item.stash.get(DECLARATION, None)
        if isinstance(item, pytest.Function) and declaration is not None and declaration.experiment.name in names:
            yield item


def _fresh_runs(items: Sequence[pytest.Function], failing: Sequence[Judged], count: int) -> Iterator[_Fresh]:
    """Yield the runs that are to be made: of each group all seeds' other params, as often as there are fresh seeds."""
    for number in range(1, count + 1):
        made: set[str] = set()
        for judged in failing:
            of_experiment = [item for item in items if _name(item) == judged.verdict.experiment]
            found = [_readable(item).get(SEED) for item in of_experiment]
            seeds = [seed for seed in found if type(seed) is int]
            has_seeds = SEED in judged.metric.over and len(seeds) == len(found) > 0
            for item in of_experiment:
                params = _readable(item)
                if split_params(params, judged.metric.over)[0] != dict(judged.verdict.params):
                    continue
                if has_seeds:
                    params = params | {SEED: max(seeds) + number}
                key = dump_json([judged.verdict.experiment, params])
                if key not in made:
                    made.add(key)
                    yield _Fresh(item, params, number)


def _run(fresh: _Fresh, following: pytest.Item | None) -> None:
    """Run an item again, as the experiment that such runs are stored as."""
    item, declaration = fresh.item, fresh.item.stash[DECLARATION]
    given = item.callspec.params if hasattr(item, "callspec") else {}
    before = dict(given)
    if SEED in given:
        given[SEED] = fresh.params[SEED]
    try:
        item.stash[DECLARATION] = _declare(declaration, fresh, given != before)
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
    finally:
        item.stash[DECLARATION] = declaration
        given.update(before)


def _declare(declaration: Declaration, fresh: _Fresh, is_param: bool) -> Declaration:
    experiment = declaration.experiment
    seeded = item_params(fresh.item) if is_param else {**item_params(fresh.item), "confirm": fresh.number}
    again = Again(_nodeid(fresh), derive_seed(experiment.name, seeded))
    return dataclasses.replace(
        declaration,
        experiment=dataclasses.replace(experiment, name=experiment.name + CONFIRMING),
        metrics=(),
        again=again,
        positions={again.nodeid: fresh.number},
        attempts={},
    )


def _nodeid(fresh: _Fresh) -> str:
    label = label_params({**fresh.params, "confirm": fresh.number})
    return f"{fresh.item.stash[DECLARATION].experiment.nodeid}[{label}]"


def _name(item: pytest.Item) -> str:
    return item.stash[DECLARATION].experiment.name


def _readable(item: pytest.Item) -> dict[str, Any]:
    """Return the params of an item as the database has them."""
    encoded = encode_document(FrozenBunch(item_params(item)), "params", {})
    types = None if encoded.types is None else dump_json({"params": encoded.types})
    return readable_params(encoded.document, types)
