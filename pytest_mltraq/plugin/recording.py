"""Records of runs, from the reports that carry them into the database and the summary; in one process of the session."""

from __future__ import annotations

import datetime
import shlex
import shutil
import sys
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_mltraq import environment
from pytest_mltraq.errors import StorageError
from pytest_mltraq.judged import Judged
from pytest_mltraq.plugin.options import Settings
from pytest_mltraq.plugin.running import REPORT_KEY, Running
from pytest_mltraq.record import ExperimentRecord, RunRecord, SessionRecord, record_session
from pytest_mltraq.report.files import REPORT_WIDTH, SessionReport
from pytest_mltraq.report.terminal import Summary
from pytest_mltraq.report.verdicts import verdict_lines
from pytest_mltraq.run import new_id

if TYPE_CHECKING:
    from pytest_mltraq.storage import Database
    from pytest_mltraq.storage.live import LiveSession


class Stored(NamedTuple):
    """A session that is stored as far as it went.

    Attributes:
        database: where.
        session: its record.
        began: when it began.
    """

    database: Database
    session: SessionRecord
    began: datetime.datetime


class Recording:
    """Takes the records off the reports, stores them and sums them up; one object for each session.

    Attributes:
        has_metrics: whether an experiment that ran has metrics.
        names: the experiments that are stored.

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
        self._remarks: list[str] = []
        self._summary = Summary()
        self._judged: Sequence[Judged] = ()
        self.has_metrics = False
        self.names: set[str] = set()
        self._database: Database | None = None
        self._live: LiveSession | None = None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._shown: str | None = None
        self._before: list[str] = []
        if settings.db is not None:
            database = self._open_database(settings.db)
            database.prepare_writing()
            self._shown = str(database) if "://" in settings.db else settings.db
            self._before = self._describe_killed(database)

    def _open_database(self, where: str) -> Database:
        from pytest_mltraq.storage.database import Database
        from pytest_mltraq.storage.live import LiveSession

        self._database = database = Database(where, self._settings.artifacts)
        self._live = LiveSession(database, self._describe)
        return database

    def _describe(self) -> SessionRecord:
        parameters = self._config.invocation_params
        found = environment.capture(self._config.rootpath, ["pytest", *map(str, parameters.args)])
        return record_session(
            found, id_session=new_id(), origin="pytest", tags=self._settings.tags, started_at=self._started_at
        )

    def _describe_killed(self, database: Database) -> list[str]:
        """Say that the session before was killed, and what is left of it."""
        if not database.is_unfinished():
            return []
        from pytest_mltraq.storage.listing import killed_session

        with database.reading() as connection:
            killed = None if connection is None else killed_session(connection)
        if killed is None:
            return []
        runs = sum(killed.outcomes.values())
        resume = "" if self._settings.resume else " (--mltraq-resume executes the others only)"
        stored = f"{runs} {'run of it is' if runs == 1 else 'runs of it are'} stored{resume}"
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
        if "experiment" in message:
            self._add_experiment(ExperimentRecord(*message["experiment"]))
        if "started" in message:
            self._open[nodeid] = message["name"], RunRecord(*message["started"])
        if "finished" in message:
            self._open.pop(nodeid, None)
            if nodeid in self._retried:
                self._retried.remove(nodeid)
                return
            self._store_run(message["name"], RunRecord(*message["finished"]), is_stored="is_stored" in message)

    def _add_experiment(self, record: ExperimentRecord) -> None:
        self.has_metrics = self.has_metrics or record.metrics is not None
        if self._live is None and (record.metrics is not None or self._settings.reports):
            # Metrics are judged, and reports made, of a database, whether it is kept or not: so there is one way to do it.
            self._temporary = tempfile.TemporaryDirectory(prefix="mltraq-")
            self._open_database(str(Path(self._temporary.name) / "session.db"))
        if self._live is not None:
            self._live.add_experiment(record)
            self.names.add(record.name)

    def stored(self) -> Stored | None:
        """Store what is waiting, and say where the session is; None where it has no metrics.

        Raises:
            StorageError: not everything could be stored.
        """
        if self._live is None or self._database is None or not self.has_metrics:
            return None
        self._live.flush()
        session = self._live.session
        return None if session is None else Stored(self._database, session, self._started_at)

    def report(self, baseline: str) -> SessionReport | None:
        """Return what reports are about, of the session that ended; None where nothing ran."""
        session = None if self._live is None else self._live.session
        if session is None:
            return None
        tables = list(self._summary.lines(REPORT_WIDTH, everything=True))
        return SessionReport(session, self._started_at, self._judged, tables, baseline, self._shown, self._database)

    def show(self, judged: Sequence[Judged]) -> None:
        """Take what the summary says of the metrics."""
        self._judged = judged

    def say(self, message: str) -> None:
        """Take a line for the summary."""
        self._remarks.append(message)

    def fail(self, message: str) -> None:
        """Have the session fail, for something that is no test's failure."""
        self._failure.append(message)

    def _close_run(self, nodeid: str, outcome: str) -> None:
        """Store a run whose end was never reported."""
        if (known := self._open.pop(nodeid, None)) is not None:
            name, record = known
            self._store_run(name, record._replace(outcome=outcome))

    def _store_run(self, name: str, record: RunRecord, *, is_stored: bool = False) -> None:
        if self._live is not None and name in self.names:
            self._live.add_run(name, record)
        self._summary.add(name, record, is_stored=is_stored)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, object, object]:
        """Store that the session ended, even where another plugin fails at its end; before the terminal's summary."""
        try:
            return (yield)
        finally:
            # A second Ctrl-C, while pytest reports the first one, comes before pytest says that the session was interrupted.
            is_interrupted = isinstance(sys.exception(), KeyboardInterrupt)
            self._finish(int(pytest.ExitCode.INTERRUPTED if is_interrupted else exitstatus))
            if self._failure:
                session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    @pytest.hookimpl(tryfirst=True)
    def pytest_unconfigure(self) -> None:
        """Store that the session ended where it was interrupted again before it came to its end."""
        self._finish(int(pytest.ExitCode.INTERRUPTED))
        if self._temporary is not None:  # reports were made of it
            self._temporary.cleanup()

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
            self._failure += [str(error), self._recover()]

    def _recover(self) -> str:
        """Write what could not be stored into a file; returns what to say of it."""
        from pytest_mltraq.storage.recovery import write_recovery

        unstored = None if self._live is None else self._live.unstored()
        if unstored is None or self._database is None:
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
        verbose, width = self._config.get_verbosity() > 0, shutil.get_terminal_size().columns
        for line in self._summary.lines(width, everything=verbose):
            terminalreporter.write_line(line)
        for line in verdict_lines(self._judged, self._started_at, width, everything=verbose):
            terminalreporter.write_line(line)
        for line in self._remarks:
            terminalreporter.write_line(line, yellow=True)
        for line in self._failure:
            terminalreporter.write_line(line, red=True)
        if self._failure:
            return
        if self._shown is None:
            terminalreporter.write_line("nothing was stored: name a database with --mltraq-db=results.db")
        else:
            terminalreporter.write_line(f"stored in {self._shown}")
