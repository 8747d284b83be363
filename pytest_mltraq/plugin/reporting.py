"""Reports that are written when the session ended: to files, and to GitHub Actions."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Generator

import pytest

from pytest_mltraq.errors import ConfigurationError, MltraqError
from pytest_mltraq.plugin.options import Settings
from pytest_mltraq.plugin.recording import Recording
from pytest_mltraq.report.files import SessionReport, check_report, write_report

ANNOTATOR = "pytest_github_actions_annotate_failures"
"""A plugin that annotates failed tests on GitHub, of which our metrics are some."""


class Reporting:
    """Writes reports; one object for each session.

    Raises:
        pytest.UsageError: a report can't be written where it was asked for.
    """

    def __init__(self, config: pytest.Config, settings: Settings, recording: Recording) -> None:
        self._config = config
        self._settings = settings
        self._recording = recording
        self._paths = [config.invocation_params.dir / path for path in settings.reports]
        self._lines: list[tuple[str, bool]] = []
        self._report: SessionReport | None = None
        for path in self._paths:
            try:
                check_report(path)
            except ConfigurationError as error:
                message = f"--mltraq-report: {error}"
                raise pytest.UsageError(message) from error

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Write the reports, after the session was stored; one that can't be written fails the session."""
        result = yield
        self._report = report = self._recording.report(self._settings.baseline)
        if report is None:
            return result
        for path, shown in zip(self._paths, self._settings.reports, strict=True):
            self._write(session, shown, functools.partial(write_report, path, report))
        if report.judged and _is_on_github() and os.environ.get("GITHUB_STEP_SUMMARY"):
            from pytest_mltraq.report.github import append_summary

            self._write(session, None, functools.partial(append_summary, report, os.environ))
        return result

    def _write(self, session: pytest.Session, shown: str | None, write: Callable[[], None]) -> None:
        try:
            write()
        except (OSError, MltraqError) as error:
            self._lines.append((f"the report {shown or 'for GitHub'} could not be written: {error}", True))
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
        else:
            if shown is not None:
                self._lines.append((f"report: {shown}", False))

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where the reports are, and annotate on GitHub."""
        for line, is_error in self._lines:
            terminalreporter.write_line(line, red=is_error)
        if self._report is None or not _is_on_github():
            return
        warns = self._settings.gate == "warn"
        if warns or not self._config.pluginmanager.hasplugin(ANNOTATOR):
            from pytest_mltraq.report.github import annotate

            for line in annotate(self._report, root=self._config.rootpath, variables=os.environ, warns=warns):
                terminalreporter.write_line(line)


def _is_on_github() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"
