"""Records of runs, from the reports that carry them into the database and the summary; in one process of the session."""

from __future__ import annotations

import datetime
import shlex
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mltraq import environment
from pytest_mltraq.errors import StorageError
from pytest_mltraq.plugin.options import Settings
from pytest_mltraq.plugin.running import REPORT_KEY, Running
from pytest_mltraq.record import ExperimentRecord, RunRecord, SessionRecord, record_session
from pytest_mltraq.report.terminal import Summary
from pytest_mltraq.run import new_id

if TYPE_CHECKING:
    from pytest_mltraq.storage import Database


class Recording:
    """Takes the records off the reports, stores them and sums them up; one object for each session.

    Raises:
        ConfigurationError: the database's URL is wrong.
        StorageError: the database can't be used.
    """

    def __init__(self, config: pytest.Config, settings: Settings, running: Running) -> None:
        self._config = config
        self._running = running
        self._settings = settings
        self._started_at = datetime.datetime.now(datetime.UTC)
        self._open: dict[str, tuple[str, RunRecord]] = {}
        self._retried: set[str] = set()
        self._failure: list[str] = []
        self._summary = Summary()
        self._live = None
        self._shown: str | None = None
        self._before: list[str] = []
        if settings.db is not None:
            from pytest_mltraq.storage.database import Database
            from pytest_mltraq.storage.live import LiveSession

            self._database = database = Database(settings.db)
            database.prepare_writing()
            self._live = LiveSession(database, self._describe)
            self._shown = str(database) if "://" in settings.db else settings.db
            self._before = self._describe_killed(database)

    def _describe(self) -> SessionRecord:
        parameters = self._config.invocation_params
        found = environment.capture(self._config.rootpath, ["pytest", *map(str, parameters.args)])
        return record_session(
            found, id_session=new_id(), origin="pytest", tags=self._settings.tags, started_at=self._started_at
        )

    def _describe_killed(self, database: Database) -> list[str]:
        """Say that the session before was killed, and what is left of it."""
        with database.reading() as connection:
            if connection is None:
                return []
            from pytest_mltraq.storage.listing import killed_session

            killed = killed_session(connection)
        if killed is None:
            return []
        runs = sum(killed.outcomes.values())
        resume = "" if self._settings.resume else " (--mltraq-resume executes the others only)"
        stored = f"{runs} {'run' if runs == 1 else 'runs'} of it are stored{resume}"
        return [f"mltraq: the session of {killed.started_at:%Y-%m-%d %H:%M} UTC was interrupted: {stored}"]

    def pytest_report_header(self) -> list[str]:
        """Say where the runs go, and what became of the session before."""
        return [f"mltraq: {self._shown or 'nothing is stored (no --mltraq-db)'}", *self._before]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the record off a report, before other plugins see it."""
        message: dict[str, Any] | None = report.__dict__.pop(REPORT_KEY, None)
        if str(report.outcome) == "rerun":  # pytest-rerunfailures': only the last attempt is the run
            self._retried.add(report.nodeid)
        if message is not None:
            self._take(report.nodeid, message)
        elif report.when not in ("setup", "call", "teardown"):  # pytest-xdist's report of a killed worker
            self._close_run(report.nodeid, "crashed")

    def _take(self, nodeid: str, message: dict[str, Any]) -> None:
        if "experiment" in message and self._live is not None:
            self._live.add_experiment(ExperimentRecord(*message["experiment"]))
        if "started" in message:
            self._open[nodeid] = message["name"], RunRecord(*message["started"])
        if "finished" in message:
            self._open.pop(nodeid, None)
            if nodeid in self._retried:
                self._retried.remove(nodeid)
                return
            self._store_run(message["name"], RunRecord(*message["finished"]), is_stored="is_stored" in message)

    def _close_run(self, nodeid: str, outcome: str) -> None:
        """Store a run whose end was never reported."""
        if (known := self._open.pop(nodeid, None)) is not None:
            name, record = known
            self._store_run(name, record._replace(outcome=outcome))

    def _store_run(self, name: str, record: RunRecord, *, is_stored: bool = False) -> None:
        if self._live is not None:
            self._live.add_run(name, record)
        self._summary.add(name, record, is_stored=is_stored)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, object, object]:
        """Store that the session ended, even where another plugin fails at its end; before the terminal's summary."""
        try:
            return (yield)
        finally:
            self._finish(int(exitstatus))
            if self._failure:
                session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    @pytest.hookimpl(tryfirst=True)
    def pytest_unconfigure(self) -> None:
        """Store that the session ended where it was interrupted again before it came to its end."""
        self._finish(int(pytest.ExitCode.INTERRUPTED))

    def _finish(self, exit_status: int) -> None:
        """Store what is left and that the session ended, once."""
        if (message := self._running.unfinished()) is not None:
            self._take("", message)
        for nodeid in list(self._open):
            self._close_run(nodeid, "interrupted")
        if self._live is None:
            return
        try:
            self._live.close(exit_status)
        except StorageError as error:
            self._failure = [str(error), self._recover()]

    def _recover(self) -> str:
        """Write what could not be stored into a file; returns what to say of it."""
        from pytest_mltraq.storage.recovery import write_recovery

        unstored = None if self._live is None else self._live.unstored()
        if unstored is None:
            return "nothing else is missing"
        try:
            file = write_recovery(unstored, self._database, (self._config.rootpath, Path(tempfile.gettempdir())))
        except StorageError as error:
            return f"nor could a recovery file be written: {error}"
        command = shlex.join(["pytest-mltraq", "import", str(file), "--db", str(self._shown)])
        return f"it is in a recovery file; this command stores it: {command}"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show a table of each experiment, and where the runs are."""
        if not self._summary and not self._failure:
            return
        terminalreporter.write_sep("=", "mltraq")
        verbose = self._config.get_verbosity() > 0
        for line in self._summary.lines(shutil.get_terminal_size().columns, everything=verbose):
            terminalreporter.write_line(line)
        for line in self._failure:
            terminalreporter.write_line(line, red=True)
        if self._failure:
            return
        if self._shown is None:
            terminalreporter.write_line("nothing was stored: name a database with --mltraq-db=results.db")
        else:
            terminalreporter.write_line(f"stored in {self._shown}")
