"""Reports in files: which module writes which kind, by the file's suffix."""

from __future__ import annotations

import datetime
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from pytest_mltraq.errors import ConfigurationError
from pytest_mltraq.judged import Judged
from pytest_mltraq.record import SessionRecord

WRITERS: Final = {
    ".html": "pytest_mltraq.report.page:render",
    ".json": "pytest_mltraq.report.document:render",
    ".md": "pytest_mltraq.report.markdown:render",
    ".metrics": "pytest_mltraq.report.openmetrics:render",
}
"""What makes the text of a report, by suffix: `module:function`, called with a `SessionReport`."""


REPORT_WIDTH: Final = 120
"""How wide the tables of runs are in a report [characters]."""


class SessionReport(NamedTuple):
    """What a report is about.

    Attributes:
        session: the session's record, as it ended.
        began: when it began.
        judged: the verdicts on its metrics.
        tables: lines of the tables of its runs.
        baseline: what its metrics were compared with, as it was asked for; None where nobody knows any more.
        stored_in: the database's file or URL, without its password; None where nothing is kept.
        database: where the session can be read until the report is written.
    """

    session: SessionRecord
    began: datetime.datetime
    judged: Sequence[Judged]
    tables: Sequence[str]
    baseline: str | None
    stored_in: str | None
    database: Any


def check_report(path: Path) -> None:
    """Find out whether a report can be written, before hours are spent on what it is about.

    Raises:
        ConfigurationError: its suffix is unknown, or there is something else in its place.
    """
    if path.suffix.lower() not in WRITERS:
        message = f"expected a file that ends with {', '.join(WRITERS)}, found {str(path)!r}"
        raise ConfigurationError(message)
    if path.is_dir():
        message = f"expected a file, found the folder {str(path)!r}"
        raise ConfigurationError(message)
    for folder in path.parents:
        if folder.exists():
            if not folder.is_dir():
                message = f"{path} can't be written: {folder} is no folder"
                raise ConfigurationError(message)
            return


def write_report(path: Path, report: SessionReport) -> None:
    """Write a report, with its folders; a file that is there is replaced when the new one is complete.

    Raises:
        OSError: it can't be written.
    """
    replace_file(path, pkgutil.resolve_name(WRITERS[path.suffix.lower()])(report))


def replace_file(path: Path, text: str) -> None:
    """Write a file, with its folders; one that is there is replaced when the new one is complete.

    Raises:
        OSError: it can't be written; nothing of it is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
