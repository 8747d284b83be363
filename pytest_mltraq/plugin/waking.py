"""What is registered when the plugin wakes; imported only then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_mltraq.codec import Home
from pytest_mltraq.errors import ConfigurationError, StorageError
from pytest_mltraq.hook_callers import hooks_in
from pytest_mltraq.plugin.collecting import Collecting
from pytest_mltraq.plugin.options import Settings
from pytest_mltraq.plugin.running import Running
from pytest_mltraq.plugin.terminating import interrupt_when_terminated
from pytest_mltraq.record import now

if TYPE_CHECKING:
    from pytest_mltraq.plugin.recording import Recording
    from pytest_mltraq.storage.resume import PassedRuns


def wake(config: pytest.Config, settings: Settings) -> None:
    """Register what collects and runs experiments, and in one process of the session what records them.

    Raises:
        pytest.UsageError: the database can't be used.
    """
    for pattern in settings.files:
        # This list is also the assertion rewriter's, so that asserts in experiment files are explained.
        config.addinivalue_line("python_files", pattern)
    try:
        running = Running(config, _home(config, settings), _find_passed(settings))
        recording = None if hasattr(config, "workerinput") else _record(config, settings, running)
    except (ConfigurationError, StorageError) as error:
        message = f"--mltraq-db: {error}"
        raise pytest.UsageError(message) from error
    config.pluginmanager.register(running, "mltraq-running")
    config.pluginmanager.register(Collecting(config, settings, running), "mltraq-collecting")
    if recording is not None:  # not in a worker of pytest-xdist: its reports carry the records to the controller
        from pytest_mltraq.plugin.judging import Judging
        from pytest_mltraq.plugin.reporting import Reporting

        # Before the recording: reports are written when the session was stored.
        config.pluginmanager.register(Reporting(config, settings, recording), "mltraq-reporting")
        config.pluginmanager.register(recording, "mltraq-recording")
        if settings.db is not None:
            config.add_cleanup(interrupt_when_terminated())
        config.pluginmanager.register(Judging(config, settings, recording), "mltraq-judging")


def _home(config: pytest.Config, settings: Settings) -> Home:
    """Say where runs are going to be stored; artifacts are kept by the process that runs the item."""
    hooks = hooks_in(config.pluginmanager)
    if settings.db is None:
        return Home(hooks=hooks)
    from pytest_mltraq.storage.artifacts import store_of

    try:
        return Home(artifacts=store_of(settings.db, settings.artifacts), hooks=hooks)
    except ConfigurationError as error:
        message = f"--mltraq-artifacts: {error}"
        raise pytest.UsageError(message) from error


def _find_passed(settings: Settings) -> PassedRuns | None:
    """Make what finds runs of earlier sessions, in each process that runs items."""
    if settings.db is None or not settings.resume:
        return None
    from pytest_mltraq.storage.database import Database
    from pytest_mltraq.storage.resume import PassedRuns

    return PassedRuns(Database(settings.db), before=now())


def _record(config: pytest.Config, settings: Settings, running: Running) -> Recording:
    from pytest_mltraq.plugin.recording import Recording

    return Recording(config, settings, running)
