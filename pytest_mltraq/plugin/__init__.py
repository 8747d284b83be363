"""What pytest loads in every project where the package is installed: options, markers, fixtures, and one decision.

Asleep, nothing else is imported or registered. Awake (a database, `--mltraq`, or an experiment file on the command
line), the objects that collect, run and record experiments are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_mltraq import hooks
from pytest_mltraq.plugin import options

if TYPE_CHECKING:
    from pytest_mltraq.plugin.declaration import CurrentExperiment
    from pytest_mltraq.run import Run
    from pytest_mltraq.session import Session

MARKERS = (
    "experiment(name=None, config=None, **fields): collect a function as an experiment; its name, config and fields.",
    "runs(grid, /, **axes): the runs of an experiment, one for each combination of its axes.",
    "metric(name, direction='maximize', **options): a field of an experiment that is judged when the session ends.",
    "steps(*functions): the chain of steps of an experiment, in place of the step_* functions.",
)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the hooks that other plugins and conftest files have."""
    pluginmanager.add_hookspecs(hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    options.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Wake, or stay asleep."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    settings = options.resolve(config)
    config.stash[options.SETTINGS] = settings
    if settings.awake:
        from pytest_mltraq.plugin.waking import wake

        wake(config, settings)


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Run:
    """The current run: what is set in `run.fields` is stored, with `--mltraq-db`."""
    from pytest_mltraq.plugin.declaration import current_run

    return current_run(request.node)


@pytest.fixture
def experiment(request: pytest.FixtureRequest) -> CurrentExperiment:
    """The current experiment: its name, config, and the fields that all its runs share."""
    from pytest_mltraq.plugin.declaration import current_experiment

    return current_experiment(request.node)


@pytest.fixture(scope="session")
def mltraq_session(pytestconfig: pytest.Config) -> Iterator[Session]:
    """A session on the database, to load earlier experiments and create new ones; without a database, in memory."""
    from pytest_mltraq.hook_callers import hooks_in
    from pytest_mltraq.session import Session

    settings = pytestconfig.stash[options.SETTINGS]
    session = Session(settings.db, artifacts=settings.artifacts, plugins=hooks_in(pytestconfig.pluginmanager))
    yield session
    session.close()
