"""Moments, as options take them: a date, a time, or how long ago."""

from __future__ import annotations

import datetime
import re
from typing import Any, Final

import click

_AGO: Final = re.compile(r"(\d+) ?([hdw])")
_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}
_EXPECTED: Final = "expected a date (2026-11-25), a time (2026-11-25T14:30, in this machine's zone where it has none) or how long ago (12h, 7d, 4w)"


class Moment(click.ParamType):  # type: ignore[type-arg] # click before 8.5 takes none
    """A date, a time or how long ago.

    Args:
        end_of_day: whether a date stands for the moment at which it ends.
    """

    name = "moment"

    def __init__(self, *, end_of_day: bool = False) -> None:
        self._end_of_day = end_of_day

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime.datetime:
        """Read a moment."""
        if isinstance(value, datetime.datetime):
            return value
        text = str(value).strip()
        try:
            return self._read(text)
        except (ValueError, OverflowError):
            self.fail(f"{_EXPECTED}; found {text!r}", param, ctx)

    def _read(self, text: str) -> datetime.datetime:
        now = datetime.datetime.now(datetime.UTC)
        if ago := _AGO.fullmatch(text):
            return now - datetime.timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        moment = datetime.datetime.fromisoformat(text)
        if self._end_of_day and _is_date(text):
            moment += datetime.timedelta(days=1)
        return moment.astimezone(datetime.UTC)


def _is_date(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True
