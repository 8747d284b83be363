"""The report as Markdown, for a comment on a pull request or a job's summary: never longer than what these take.

The worst comes first, and what doesn't fit is counted: verdicts before their reasons, reasons before the tables of runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from pytest_mltraq.baseline import SHORT
from pytest_mltraq.groups import label_params
from pytest_mltraq.judged import Judged
from pytest_mltraq.report.files import SessionReport
from pytest_mltraq.report.text import markdown
from pytest_mltraq.report.verdicts import (
    QUIET,
    change_cell,
    compared_with,
    explain,
    interval_cell,
    is_loud,
    mean_cell,
    number,
    q_cell,
    worst_first,
)

LONGEST: Final = 65_536
"""Characters of a comment on GitHub; GitLab takes a million."""

LONGEST_SUMMARY: Final = 1_048_576
"""Bytes of a job's summary on GitHub; a longer one is not shown at all."""

MARKER: Final = "<!-- mltraq:report -->"
"""The last line, by which a program finds the comment again that it is to replace."""

_SHARES: Final = (0.6, 0.9)
"""How much of the room verdicts may take, and verdicts with their reasons."""

LEGEND: Final = (
    "\n±: standard deviation over replicates; q: how probable such a change is by chance, corrected for the number of metrics; "
    "sees: the smallest change for the worse that would have been found.\n"
)
"""What the columns are, for those who review and never read a manual."""

_ICONS: Final = {"improved": "🟢", "unchanged": "⚪", "new": "🔵", "undecided": "🟡"}
_FAILS: Final = "🔴"
_COLUMNS: Final[dict[str, Callable[[Judged], str]]] = {
    "": lambda judged: _FAILS if judged.verdict.fails else _ICONS.get(judged.verdict.verdict, ""),
    "verdict": lambda judged: judged.verdict.verdict,
    "experiment": lambda judged: judged.verdict.experiment,
    "metric": lambda judged: judged.metric.name,
    "group": lambda judged: label_params(judged.verdict.params),
    "baseline": lambda judged: mean_cell(judged.verdict.baseline_mean, judged.verdict.baseline_sd),
    "now": lambda judged: mean_cell(judged.verdict.mean, judged.verdict.sd),
    "n": lambda judged: str(judged.verdict.n),
    "change": change_cell,
    "interval": interval_cell,
    "q": q_cell,
    "sees": lambda judged: (
        "" if judged.verdict.minimum_detectable_change is None else number(judged.verdict.minimum_detectable_change)
    ),
}


def render(report: SessionReport, longest: int = LONGEST) -> str:
    """Return the report.

    Args:
        report: what it is about.
        longest: how long it may be [characters; bytes of UTF-8 are not more than that either].
    """
    judged = worst_first(report.judged)
    room = longest - len(MARKER.encode()) - 200  # for what says how much was left out
    blocks = [f"## {headline(report.judged)}\n\n", *(_compared(report) if judged else [])]
    used = _size(blocks)
    if judged:
        rows = [_row([*_COLUMNS]), _row(["---"] * len(_COLUMNS))]
        rows += [_row([markdown(cell(one)) for cell in _COLUMNS.values()]) for one in judged]
        used += _take(blocks, rows, int(room * _SHARES[0]) - used, "metrics")
        if any(one.verdict.change is not None for one in judged):
            blocks.append(LEGEND)
            used += _size([LEGEND])
        reasons = [_reason(one, report) for one in judged if is_loud(one)]
        used += _take(blocks, ["\n", *reasons], int(room * _SHARES[1]) - used, "reasons")
    if report.tables:
        used += _take_tables(blocks, report.tables, room - used)
    blocks.append(f"\n{MARKER}\n")
    return "".join(blocks)


def headline(judged: Sequence[Judged]) -> str:
    """Say in a line how it went."""
    if not judged:
        return "No metrics were judged"
    fails = sum(one.verdict.fails for one in judged)
    total = f"{len(judged)} metric{'s' if len(judged) > 1 else ''}"
    if fails:
        return f"{_FAILS} {fails} of {total} failed"
    open_ = sum(one.verdict.verdict not in QUIET for one in judged)
    if open_:
        return f"{_ICONS['undecided']} {total}, none regressed; {open_} can't be compared"
    return f"{_ICONS['improved']} {total}, none regressed"


def _compared(report: SessionReport) -> Iterable[str]:
    session = report.session
    if session.commit:
        yield f"{session.commit[:SHORT]}{f' on {markdown(session.branch)}' if session.branch else ''}, compared with:\n\n"
    else:
        yield "Compared with:\n\n"
    names = dict.fromkeys(one.verdict.experiment for one in report.judged)
    for name in list(names)[:20]:
        of_name = [one for one in report.judged if one.verdict.experiment == name]
        yield f"* {markdown(name)}: {markdown(compared_with(of_name, report.began))}\n"
    yield "\n"


def _reason(judged: Judged, report: SessionReport) -> str:
    first, *others = explain(judged, report.began).splitlines()
    lines = "".join(f"  {markdown(line)}<br>\n" for line in others)
    return f"* **{markdown(first)}**<br>\n{lines}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _take(blocks: list[str], parts: Sequence[str], room: int, what: str) -> int:
    """Take parts as long as there is room, and say how many were left out; returns what they use."""
    used = 0
    for at, part in enumerate(parts):
        if used + _size([part]) > room:
            left_out = f"\n... and {len(parts) - at} more {what}, none worse than these\n"
            blocks.append(left_out)
            return used + _size([left_out])
        blocks.append(part)
        used += _size([part])
    return used


def _take_tables(blocks: list[str], lines: Sequence[str], room: int) -> int:
    fence = "`" * (max((len(run) for line in lines for run in _backticks(line)), default=2) + 1)
    begin, end = f"\n<details><summary>Runs</summary>\n\n{fence}text\n", f"{fence}\n\n</details>\n"
    taken: list[str] = []
    used = _size([begin, end]) + 30
    for line in lines:
        used += _size([line]) + 1
        if used > room:
            taken.append("...")
            break
        taken.append(line)
    if not taken or taken == ["..."]:
        return 0
    blocks += [begin, *(f"{line}\n" for line in taken), end]
    return used


def _backticks(line: str) -> Iterable[str]:
    runs = "".join(character if character == "`" else " " for character in line).split()
    return [*runs, "``"]


def _size(parts: Iterable[str]) -> int:
    return sum(len(part.encode()) for part in parts)
