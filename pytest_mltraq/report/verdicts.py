"""Verdicts as people read them on a terminal: a table for each experiment, and what each verdict rests on."""

from __future__ import annotations

import datetime
import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

from pytest_mltraq.baseline import SHORT
from pytest_mltraq.groups import label_params
from pytest_mltraq.judged import Judged
from pytest_mltraq.report.text import visible
from pytest_mltraq.stats import probability

ORDER: Final = ("regressed", "missing", "undecided", "new", "improved", "unchanged")
"""Verdicts, the worst first."""

QUIET: Final = ("improved", "unchanged")
"""Verdicts that say enough; the others come with their reason."""

MAX_ROWS: Final = 20
"""Verdicts that a table shows; more that are quiet are counted, and all are shown with -v."""

MAX_NAMES: Final = 3
"""Metrics that are named of those that one thing is said of."""

NARROWEST: Final = 40
"""Reasons are wrapped to no less [characters], however narrow the terminal."""

_DROPPED: Final = ("sees", "q", "interval", "method", "n")
"""Columns that are left out where a table doesn't fit, the first one first."""

_UNITS: Final = ((86400 * 365, "year"), (86400 * 30, "month"), (86400, "day"), (3600, "hour"), (60, "minute"))


def worst_first(judged: Iterable[Judged]) -> list[Judged]:
    """Sort verdicts: those that fail before the others, then as in `ORDER`, the largest change first."""

    def rank(one: Judged) -> tuple[bool, int, float]:
        verdict = one.verdict
        place = ORDER.index(verdict.verdict) if verdict.verdict in ORDER else -1
        change = relative_change(one)
        return not verdict.fails, place, 0.0 if change is None else -abs(change)

    return sorted(judged, key=rank)


def verdict_lines(
    judged: Sequence[Judged], now: datetime.datetime, width: int, *, everything: bool = False
) -> Iterable[str]:
    """Yield the lines of the tables of verdicts.

    Args:
        judged: the verdicts of a session.
        now: when the session began; ages are from here.
        width: how long a line may be [characters].
        everything: whether all are shown, however many.
    """
    experiments = dict.fromkeys(one.verdict.experiment for one in judged)
    for name in experiments:
        of_name = [one for one in judged if one.verdict.experiment == name]
        yield from wrapped(f"metrics of {visible(name)}, compared with: {compared_with(of_name, now)}", "  ", width)
        shown = worst_first(of_name)
        if not everything and len(shown) > MAX_ROWS:
            shown = shown[: max(MAX_ROWS, sum(map(is_loud, shown)))]
        yield from _table(shown, width)
        yield from _said(shown, width)
        if len(shown) < len(of_name):
            yield f"  ... and {len(of_name) - len(shown)} more that are improved or unchanged (-v shows all)"
        yield ""


def explain(judged: Judged, now: datetime.datetime) -> str:
    """Say in some lines what a verdict is and what it rests on; the first line says the most."""
    verdict = judged.verdict
    lines = [f"{judged.name} of {verdict.experiment} {verdict.verdict}: {verdict.reason}"]
    if verdict.mean is not None:
        lines.append(f"now      {mean_cell(verdict.mean, verdict.sd)} (n = {verdict.n})")
    if verdict.baseline_mean is not None:
        lines.append(
            f"baseline {mean_cell(verdict.baseline_mean, verdict.baseline_sd)} (n = {verdict.baseline_n}), "
            f"{describe_baseline(judged, now)}"
        )
    if verdict.change is not None:
        lines.append(", ".join(_numbers(judged)))
    if verdict.minimum_detectable_change is not None:
        lines.append(f"sees     changes for the worse from {number(verdict.minimum_detectable_change)}")
    return "\n".join(visible(line) for line in [*lines, *judged.notes])


def _numbers(judged: Judged) -> Iterable[str]:
    verdict = judged.verdict
    yield f"change   {change_cell(judged)}"
    if verdict.low is not None:
        yield f"{1 - 2 * verdict.alpha:.0%} interval {interval_cell(judged)}"
    if verdict.q_value is not None:
        yield f"q {probability(verdict.q_value)}"
    if verdict.method:
        yield f"method {verdict.method}"


def compared_with(judged: Sequence[Judged], now: datetime.datetime) -> str:
    """Say what the metrics of an experiment were compared with; they differ where not all sessions have all metrics."""
    nearest = list(dict.fromkeys(describe_baseline(one, now) for one in judged if one.sessions))
    if not nearest:
        return f"nothing ({judged[0].said})"
    sessions = max(one.sessions for one in judged)
    others = " and others" if len(nearest) > 1 else ""
    if sessions == 1:
        return f"{judged[0].said}: {nearest[0]}{others}"
    return f"{sessions} sessions, {judged[0].said}; the last is {nearest[0]}{others}"


def describe_baseline(judged: Judged, now: datetime.datetime) -> str:
    """Say which session a metric was compared with, how old it is and how far away."""
    earlier = judged.baseline
    if earlier is None:
        return "an accepted change" if judged.accepted else "nothing"
    where = earlier.commit[:SHORT] if earlier.commit else f"session {earlier.id_session[:8]}"
    branch = f" on {earlier.branch}" if earlier.branch else ""
    changed = " with uncommitted changes" if earlier.is_dirty else ""
    tags = f" tagged {', '.join(earlier.tags)}" if earlier.tags else ""
    away = ""
    if judged.distance:
        away = f", {judged.distance} commit{'s' if judged.distance > 1 else ''} away"
    return f"{where}{branch}{changed}{tags}, {age(now - earlier.started_at)} old{away}"


def age(passed: datetime.timedelta) -> str:
    """Write how long ago something was, in its largest unit."""
    seconds = passed.total_seconds()
    for size, unit in _UNITS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


def number(value: float) -> str:
    """Write a number with four significant digits."""
    return f"{value:.4g}"


def mean_cell(mean: float | None, sd: float | None) -> str:
    """Write `mean ± sd`; of one value the value alone."""
    if mean is None:
        return ""
    return number(mean) if sd is None else f"{number(mean)} ± {sd:.2g}"


def relative_change(judged: Judged) -> float | None:
    """Return the change as a fraction of the baseline; None where that is 0, or there is none."""
    verdict = judged.verdict
    if verdict.change is None or not verdict.baseline_mean:
        return None
    return verdict.change / abs(verdict.baseline_mean)


def change_cell(judged: Judged) -> str:
    """Write the change, and what part of the baseline it is."""
    change, relative = judged.verdict.change, relative_change(judged)
    if change is None:
        return ""
    if change == 0:
        return "0"
    return f"{change:+.3g}" if relative is None else f"{change:+.3g} ({relative:+.1%})"


def interval_cell(judged: Judged) -> str:
    """Write the confidence interval of the change; a side that is open is an infinity."""
    low, high = judged.verdict.low, judged.verdict.high
    return "" if low is None or high is None else f"{low:+.2g} to {high:+.2g}"


def q_cell(judged: Judged) -> str:
    """Write the p-value that is corrected for the number of metrics."""
    q_value = judged.verdict.q_value
    return "" if q_value is None else probability(q_value).removeprefix("= ").replace(" ", "")


def _table(judged: Sequence[Judged], width: int) -> Iterable[str]:
    columns: dict[str, list[str]] = {
        "verdict": [_word(one) for one in judged],
        "metric": [one.metric.name for one in judged],
        "group": [label_params(one.verdict.params) for one in judged],
        "baseline": [mean_cell(one.verdict.baseline_mean, one.verdict.baseline_sd) for one in judged],
        "now": [mean_cell(one.verdict.mean, one.verdict.sd) for one in judged],
        "n": [str(one.verdict.n) for one in judged],
        "change": [change_cell(one) for one in judged],
        "interval": [interval_cell(one) for one in judged],
        "q": [q_cell(one) for one in judged],
        "sees": [
            "" if one.verdict.minimum_detectable_change is None else f"{one.verdict.minimum_detectable_change:.2g}"
            for one in judged
        ],
        "method": [one.verdict.method or "" for one in judged],
    }
    columns = {name: cells for name, cells in columns.items() if any(cells)}
    widths = {name: max(map(len, [name, *cells])) for name, cells in columns.items()}
    for name in _DROPPED:
        if sum(widths.values()) + 2 * len(widths) <= width:
            break
        widths.pop(name, None)
    for row in [{name: name for name in columns}, *({n: columns[n][at] for n in columns} for at in range(len(judged)))]:
        cells = [_aligned(visible(row[name]), name, room) for name, room in widths.items()]
        yield ("  " + "  ".join(cells)).rstrip()


def _aligned(cell: str, name: str, room: int) -> str:
    return cell.ljust(room) if name in ("verdict", "metric", "group", "method") else cell.rjust(room)


def _word(judged: Judged) -> str:
    return judged.verdict.verdict.upper() if judged.verdict.fails else judged.verdict.verdict


def _said(judged: Sequence[Judged], width: int) -> Iterable[str]:
    """Yield reasons and notes, each once with the metrics that it is said of."""
    said: dict[str, list[str]] = {}
    for one in judged:
        if is_loud(one):
            said.setdefault(one.verdict.reason, []).append(one.name)
    for one in judged:
        for note in one.notes:
            said.setdefault(note, []).append(one.name)
    for text, names in said.items():
        whom = ", ".join(names[:MAX_NAMES]) + (f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else "")
        yield from wrapped(visible(f"{whom}: {text}"), "    ", width)


def is_loud(judged: Judged) -> bool:
    """Whether a verdict comes with its reason."""
    return judged.verdict.fails or judged.verdict.verdict not in QUIET


def wrapped(text: str, indent: str, width: int) -> list[str]:
    """Wrap a text to some width; the lines after the first are indented by four more."""
    room = max(width, NARROWEST)
    return textwrap.wrap(text, room, initial_indent=indent[2:], subsequent_indent=f"{indent}  ", break_on_hyphens=False)
