"""Metrics, judged when the last run ended, each reported as a test: in one process of the session."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest

from pytest_mltraq.acceptance import FILE_NAME, read_acceptances
from pytest_mltraq.baseline import Baseline, Here, look_around, parse_baseline
from pytest_mltraq.errors import ConfigurationError, MltraqError, StorageError, near
from pytest_mltraq.judged import Judged
from pytest_mltraq.plugin.metrics import is_meant, read_ini
from pytest_mltraq.plugin.options import Settings
from pytest_mltraq.plugin.recording import Recording, Stored
from pytest_mltraq.report.text import visible
from pytest_mltraq.report.verdicts import explain
from pytest_mltraq.second_look import may_be_taken_back

if TYPE_CHECKING:
    from pytest_mltraq.storage import Database

VERDICT: Final = "mltraq_verdict"
"""The attribute of the reports of metrics that says which verdict it is."""

_STATUS: Final[dict[str, tuple[str, str, tuple[str, dict[str, bool]]]]] = {
    "improved": ("passed", "+", ("IMPROVED", {"green": True})),
    "new": ("new", "n", ("NEW", {"yellow": True})),
    "undecided": ("undecided", "?", ("UNDECIDED", {"yellow": True})),
}
"""How verdicts are counted and shown that are neither passed nor failed tests."""


class Judging:
    """Judges the metrics of a session; one object for each session.

    Args:
        config: pytest's.
        settings: ours.
        recording: what stores the session's runs.

    Raises:
        pytest.UsageError: the baseline, its database or the file of accepted changes is wrong.
    """

    def __init__(self, config: pytest.Config, settings: Settings, recording: Recording) -> None:
        self._config = config
        self._recording = recording
        self._warns = settings.gate == "warn"
        self._confirms = settings.confirm
        self._ini_metrics = read_ini(settings.metrics)
        try:
            self._baseline = parse_baseline(settings.baseline)
            self._other = None if self._baseline.database is None else _open_other(self._baseline)
            _check_name(self._baseline, self._other, settings.db)
        except (ConfigurationError, StorageError) as error:
            message = f"--mltraq-baseline: {error}"
            raise pytest.UsageError(message) from error
        try:
            self._acceptances = read_acceptances(config.rootpath / FILE_NAME)
        except ConfigurationError as error:
            raise pytest.UsageError(str(error)) from error
        self.judged: list[Judged] = []
        self._again: list[str] = []

    def pytest_report_header(self) -> str | list[str]:
        """Say which baseline was asked for; the default one is said where there are metrics."""
        return [] if self._baseline.kind == "auto" else f"mltraq: compared with {self._baseline}"

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Judge the metrics when the runs ended; where they were interrupted, nothing is judged."""
        failure, result = None, None
        try:
            result = yield
        except pytest.Session.Failed as error:  # by -x or --maxfail; what ran is judged
            failure = error
        except BaseException as error:
            if self._recording.has_metrics:
                why = f" ({error})" if isinstance(error, KeyboardInterrupt) and str(error) else ""
                self._recording.say(f"the metrics were not judged: the session was interrupted{why}")
            raise
        if not self._config.option.collectonly:
            self._judge(session)
        if failure is not None:
            raise failure
        return result

    def _judge(self, session: pytest.Session) -> None:
        try:
            stored = self._recording.stored()
            if stored is None:
                return
            here = self._look_around(stored)
            self.judged = self._read(stored, here)
            if self._confirm(session):
                stored = self._recording.stored() or stored
                self.judged = self._read(stored, here)
            self._store(stored)
        except MltraqError as error:  # the database fails, or what is stored in it is damaged
            self._recording.fail(f"the metrics were not judged: {error}")
            return
        self._recording.show(self.judged)
        if unset := ", ".join(self._unset()):
            self._recording.say(f"mltraq_metrics: no run set {unset} to a number")
        session.testscollected += len(self.judged)  # else the progress would go beyond 100 %
        for one in self.judged:
            self._report(one, stored)

    def _confirm(self, session: pytest.Session) -> bool:
        """Run the groups again that would fail, and may by chance; returns whether there are some."""
        failing = [one for one in self.judged if may_be_taken_back(one.verdict)]
        if not self._confirms or not failing:
            return False
        from pytest_mltraq.plugin.confirming import confirm_runs

        self._again = confirm_runs(session, failing, self._confirms)
        return bool(self._again)

    def _unset(self) -> Iterator[str]:
        """Yield the metrics of the ini file that no experiment has which they are meant for: they may be misspelt."""
        for pattern, metric in self._ini_metrics:
            meant = [name for name in self._recording.names if is_meant(pattern, name)]
            if meant and not any(
                one.metric.name == metric.name and one.verdict.experiment in meant for one in self.judged
            ):
                yield repr(metric.name)

    def _store(self, stored: Stored) -> None:
        from pytest_mltraq.storage.writer import replace_verdicts

        with stored.database.connected() as connection, stored.database.transaction(connection):
            replace_verdicts(connection, stored.session.id, self.judged)

    def _look_around(self, stored: Stored) -> Here:
        session = stored.session
        ci = {} if session.ci is None else json.loads(session.ci)
        base = ci.get("base")
        return look_around(
            self._config.rootpath, self._baseline, commit=session.commit, branch=session.branch, base=base
        )

    def _read(self, stored: Stored, here: Here) -> list[Judged]:
        from pytest_mltraq.gate import Gate

        gate = Gate(self._baseline, here, self._acceptances)
        with stored.database.fetching() as connection:
            if connection is None:
                return []
            if self._other is None:
                return gate.judge(connection, stored.session.id, connection)
            with self._other.fetching() as other:
                return gate.judge(connection, stored.session.id, other)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Have `--lf` run the runs of metrics that failed: the metrics themselves are no items."""
        cache = self._config.cache if hasattr(self._config, "cache") else None
        failed = [] if cache is None else [one for one in self.judged if self._outcome(one) == "failed"]
        if cache is not None and (failed or self._again):
            known = cache.get("cache/lastfailed", {})
            for nodeid in self._again:  # no items either
                known.pop(nodeid, None)
            for one in failed:
                known.pop(_nodeid(one), None)
                known.update(dict.fromkeys(one.runs, True))
            cache.set("cache/lastfailed", known)

    def _report(self, judged: Judged, stored: Stored) -> None:
        """Report a metric as pytest reports a test."""
        nodeid = _nodeid(judged)
        place, _, name = nodeid.partition("::")
        location = (judged.file or place, None if judged.line is None else judged.line - 1, name)
        outcome = self._outcome(judged)
        hook = self._config.hook
        hook.pytest_runtest_logstart(nodeid=nodeid, location=location)
        phases: tuple[Literal["setup", "call", "teardown"], ...] = ("setup", "call", "teardown")
        for when in phases:
            is_call = when == "call"
            report = pytest.TestReport(
                nodeid,
                location,
                {},
                outcome if is_call else "passed",
                self._representation(judged, outcome, location, stored) if is_call else None,
                when,
                user_properties=properties(judged),
            )
            setattr(report, VERDICT, judged.verdict.verdict)
            hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=nodeid, location=location)

    def _outcome(self, judged: Judged) -> Literal["passed", "failed", "skipped"]:
        if judged.verdict.fails:
            return "skipped" if self._warns else "failed"
        return "passed" if judged.verdict.verdict in ("improved", "unchanged") else "skipped"

    def _representation(
        self, judged: Judged, outcome: str, location: tuple[str, int | None, str], stored: Stored
    ) -> Any:
        if outcome == "passed":
            return None
        if outcome == "skipped":
            return location[0], (location[1] or 0) + 1, judged.verdict.reason
        try:
            pytest.fail(explain(judged, stored.began), pytrace=False)
        except pytest.fail.Exception as error:
            return pytest.ExceptionInfo.from_exception(error).getrepr(style="value")

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        """Count and show metrics by their verdicts, so that one that was not decided doesn't look like a passed test."""
        verdict = getattr(report, VERDICT, None)
        if verdict is None or report.when != "call" or report.failed:
            return None
        if verdict in _STATUS or report.passed:
            return _STATUS.get(verdict)
        return verdict, "!", (f"{verdict.upper()} (gate=warn)", {"yellow": True})


def _nodeid(judged: Judged) -> str:
    return f"{judged.nodeid}::{visible(judged.name)}"


def properties(judged: Judged) -> list[tuple[str, object]]:
    """Return what JUnit files say of a metric."""
    verdict = judged.verdict
    known = {
        "experiment": verdict.experiment,
        "metric": judged.metric.name,
        "verdict": verdict.verdict,
        "reason": verdict.reason,
        "n": verdict.n,
        "mean": verdict.mean,
        "sd": verdict.sd,
        "baseline": judged.said,
        "baseline_commit": judged.baseline.commit if judged.baseline is not None else None,
        "baseline_n": verdict.baseline_n,
        "baseline_mean": verdict.baseline_mean,
        "change": verdict.change,
        "low": verdict.low,
        "high": verdict.high,
        "p_value": verdict.p_value,
        "q_value": verdict.q_value,
        "minimum_detectable_change": verdict.minimum_detectable_change,
        "method": verdict.method,
    }
    return [(f"mltraq.{name}", value) for name, value in known.items() if value is not None]


def _check_name(baseline: Baseline, other: Database | None, db: str | None) -> None:
    """Refuse a tag or session that doesn't exist: compared with it, all would be new, and nothing ever fail.

    Raises:
        ConfigurationError: there is none of that name.
    """
    if baseline.kind not in ("tag", "session") or (other is None and db is None):
        return
    from pytest_mltraq.storage.database import Database
    from pytest_mltraq.storage.history import list_names

    with (other or Database(db)).fetching() as connection:
        known = [] if connection is None else list_names(connection)
    if baseline.kind == "session" and not any(name.startswith(str(baseline.name)) for name, _ in known):
        message = f"{baseline}: there is no such session; `pytest-mltraq ls` lists them"
        raise ConfigurationError(message)
    tags = {tag for _, tags in known for tag in tags}
    if baseline.kind == "tag" and baseline.name not in tags:
        message = f"{baseline}: there is no such tag; {near(str(baseline.name), tags)}"
        raise ConfigurationError(message)


def _open_other(baseline: Baseline) -> Database:
    """Open the database that the baseline is in.

    Raises:
        ConfigurationError: there is none.
    """
    from pytest_mltraq.storage.database import Database

    where = str(baseline.database)
    if "://" not in where and not Path(where).expanduser().is_file():
        message = f"{baseline}: there is no file {where}"
        raise ConfigurationError(message)
    database = Database(where)
    if database.is_empty():
        message = f"{baseline}: nothing is stored there"
        raise ConfigurationError(message)
    return database
