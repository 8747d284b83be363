"""What GitHub Actions shows of a session: annotations at the experiments' lines, and the job's summary.

Source: GitHub Docs, "Workflow commands for GitHub Actions".
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from pytest_mltraq.counting import counted
from pytest_mltraq.judged import Judged
from pytest_mltraq.report.files import SessionReport
from pytest_mltraq.report.markdown import LONGEST, LONGEST_SUMMARY, render
from pytest_mltraq.report.verdicts import explain, worst_first

SHOWN: Final = 10
"""Annotations of a kind that GitHub shows of a step; of more it drops the last ones."""

SUMMARY: Final = "GITHUB_STEP_SUMMARY"

_SMALLEST: Final = 2000
"""Less room than this is left alone [bytes]."""


def annotate(report: SessionReport, *, root: Path, variables: Mapping[str, str], warns: bool) -> Iterable[str]:
    """Yield workflow commands for the metrics that fail, the worst first; the last one stands for those without room.

    Args:
        report: what it is about.
        root: the folder that files are named from.
        variables: environment variables.
        warns: whether they are warnings, as they don't fail the session.
    """
    failing = [one for one in worst_first(report.judged) if one.verdict.fails]
    kind = "warning" if warns else "error"
    alone = failing if len(failing) <= SHOWN else failing[: SHOWN - 1]
    for one in alone:
        title = f"{one.name} {one.verdict.verdict}"
        where = {
            "file": _file(one, root, variables),
            "line": None if one.line is None else str(one.line),
            "title": title,
        }
        yield _command(kind, where, explain(one, report.began))
    others = failing[len(alone) :]
    if others:
        names = "\n".join(f"{one.name} of {one.verdict.experiment}: {one.verdict.reason}" for one in others)
        yield _command(kind, {"title": counted(len(others), "more metric")}, names)


def append_summary(report: SessionReport, variables: Mapping[str, str]) -> None:
    """Append the report to the job's summary, as far as there is room in it.

    Raises:
        OSError: it can't be written.
    """
    file = Path(variables[SUMMARY])
    used = file.stat().st_size if file.exists() else 0
    room = min(LONGEST, LONGEST_SUMMARY - used - 1)
    if room >= _SMALLEST:
        with file.open("a", encoding="utf-8") as opened:
            opened.write(render(report, room) + "\n")


def _file(judged: Judged, root: Path, variables: Mapping[str, str]) -> str | None:
    """Name a file from the repository's folder, which need not be pytest's root."""
    if judged.file is None:
        return None
    workspace = variables.get("GITHUB_WORKSPACE")
    return Path(os.path.relpath(root / judged.file, workspace)).as_posix() if workspace else judged.file


def _command(kind: str, properties: Mapping[str, str | None], text: str) -> str:
    said = ",".join(f"{name}={_escaped_property(value)}" for name, value in properties.items() if value)
    return f"::{kind} {said}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
