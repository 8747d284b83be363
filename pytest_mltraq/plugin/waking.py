"""What is registered when the plugin wakes; imported only then."""

from __future__ import annotations

import pytest

from pytest_mltraq.errors import ConfigurationError, StorageError
from pytest_mltraq.plugin.collecting import Collecting
from pytest_mltraq.plugin.options import Settings
from pytest_mltraq.plugin.running import Running


def wake(config: pytest.Config, settings: Settings) -> None:
    """Register what collects and runs experiments, and in one process of the session what records them.

    Raises:
        pytest.UsageError: the database can't be used.
    """
    for pattern in settings.files:
        # This list is also the assertion rewriter's, so that asserts in experiment files are explained.
        config.addinivalue_line("python_files", pattern)
    running = Running(config)
    config.pluginmanager.register(running, "mltraq-running")
    config.pluginmanager.register(Collecting(config, settings, running), "mltraq-collecting")
    if hasattr(config, "workerinput"):  # a worker of pytest-xdist: its reports carry the records to the controller
        return
    from pytest_mltraq.plugin.recording import Recording

    try:
        config.pluginmanager.register(Recording(config, settings, running), "mltraq-recording")
    except (ConfigurationError, StorageError) as error:
        message = f"--mltraq-db: {error}"
        raise pytest.UsageError(message) from error
