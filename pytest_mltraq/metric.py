"""Metrics: fields that are judged, which direction is good, and how."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from pytest_mltraq.errors import ConfigurationError, near

DIRECTIONS: Final = ("maximize", "minimize")
METHODS: Final = ("auto", "exact", "paired", "interval", "welch", "tolerance")
REPLICATE_PARAMS: Final = ("seed", "fold", "repeat")
"""Params over which runs are replicates of each other, where a metric doesn't say others."""


class Metric(NamedTuple):
    """What is judged of a field, and how.

    Attributes:
        name: the field.
        direction: `maximize` or `minimize`.
        min: the lowest good mean over replicates, or None.
        max: the highest good mean over replicates, or None.
        rtol: changes up to this fraction of the baseline's absolute value don't matter.
        atol: changes up to this don't matter; the larger of both counts.
        over: the params over which runs are replicates of each other.
        alpha: how often an unchanged metric may be taken for a regressed one, in (0, 0.5).
        power: how sure the minimum detectable change is to be found, in [0.5, 1). The default is the usual one.
        method: `auto`, or the one that is used: see `compare`.
        version: of the metric's definition; other versions are not compared with.
    """

    name: str
    direction: str = "maximize"
    min: float | None = None
    max: float | None = None
    rtol: float | None = None
    atol: float | None = None
    over: tuple[str, ...] = REPLICATE_PARAMS
    alpha: float = 0.05
    power: float = 0.8
    method: str = "auto"
    version: str | None = None

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return 1 if self.direction == "maximize" else -1

    def tolerance(self, baseline: float) -> float:
        """Return how large a change doesn't matter, >= 0; it is meant of the baseline's size, whatever its sign."""
        return max(self.atol or 0.0, (self.rtol or 0.0) * abs(baseline))


def make_metric(*names: Any, **options: Any) -> Metric:
    """Make a metric of what a marker says: `metric("accuracy", direction="maximize", min=0.9)`.

    Raises:
        ConfigurationError: something in it is wrong; the message says what was expected and found.
    """
    if len(names) != 1 or type(names[0]) is not str or not names[0]:
        found = ", ".join(map(repr, names)) or "nothing"
        message = f"expected the name of one field, found {found}"
        raise ConfigurationError(message)
    unknown = next((option for option in options if option not in _CHECKS), None)
    if unknown is not None:
        message = f"there is no option {unknown!r}; {near(unknown, _CHECKS)}"
        raise ConfigurationError(message)
    metric = Metric(names[0], **{option: _checked(option, value) for option, value in options.items()})
    if metric.min is not None and metric.max is not None and metric.min > metric.max:
        message = f"expected min <= max, found min={metric.min:g}, max={metric.max:g}"
        raise ConfigurationError(message)
    return metric


def parse_metric(line: str) -> tuple[str | None, Metric]:
    """Read a metric from a line of an ini file: `[EXPERIMENT:] NAME [maximize | minimize] [KEY=VALUE ...]`.

    Returns:
        The pattern of the experiments that it is meant for, or None for all; and the metric.

    Raises:
        ConfigurationError: something in it is wrong.

    Example:
        >>> pattern, metric = parse_metric("iris*: loss minimize rtol=0.01 over=seed,fold")
        >>> pattern, metric.name, metric.direction, metric.rtol, metric.over
        ('iris*', 'loss', 'minimize', 0.01, ('seed', 'fold'))
    """
    pattern, colon, rest = line.rpartition(": ")
    name, *words = rest.split() or [""]
    options: dict[str, Any] = {}
    for word in words:
        key, equals, text = (word if "=" in word or word not in DIRECTIONS else f"direction={word}").partition("=")
        if not equals or not text:
            message = f"expected KEY=VALUE, found {word!r}"
            raise ConfigurationError(message)
        if key in options:
            message = f"{key} is said twice"
            raise ConfigurationError(message)
        options[key] = _READ.get(key, _read_number)(text)
    if not name or (colon and not pattern.strip()):
        message = f"expected [EXPERIMENT:] NAME [KEY=VALUE ...], found {line.strip()!r}"
        raise ConfigurationError(message)
    return pattern.strip() or None, make_metric(name, **options)


def to_plain(metric: Metric) -> dict[str, Any]:
    """Return a metric as JSON has it."""
    return metric._asdict() | {"over": list(metric.over)}


def from_plain(plain: Mapping[str, Any]) -> Metric:
    """Make a metric of what `to_plain` made of it; what else is stored beside that is passed over.

    Raises:
        ConfigurationError: it is no metric.
    """
    options = {key: plain[key] for key in Metric._fields if plain.get(key) is not None}
    return make_metric(options.pop("name", None), **options)


def _checked(option: str, value: Any) -> Any:
    expected, check = _CHECKS[option]
    checked = check(value)
    if checked is None and not (value is None and option in _MAY_BE_NONE):
        message = f"expected {option} as {expected}, found {value!r}"
        raise ConfigurationError(message)
    return checked


def _number(value: Any) -> float | None:
    """Return a finite number as a float; None for anything else."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value) if not isinstance(value, str) else math.nan
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _within(low: float, high: float, *, low_too: bool) -> Callable[[Any], float | None]:
    def check(value: Any) -> float | None:
        number = _number(value)
        return number if number is not None and (low < number < high or (low_too and number == low)) else None

    return check


def _names(value: Any) -> tuple[str, ...] | None:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, list | tuple | set | frozenset) or any(type(name) is not str for name in names):
        return None
    return tuple(names)


def _version(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "" else None


def _one_of(words: tuple[str, ...]) -> Callable[[Any], str | None]:
    return lambda value: value if value in words and isinstance(value, str) else None


def _read_number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


_CHECKS: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "direction": ("'maximize' or 'minimize'", _one_of(DIRECTIONS)),
    "min": ("a finite number", _number),
    "max": ("a finite number", _number),
    "rtol": ("a fraction of the baseline, 0 or more", _within(0, math.inf, low_too=True)),
    "atol": ("a number, 0 or more", _within(0, math.inf, low_too=True)),
    "over": ("names of params", _names),
    "alpha": ("a probability between 0 and 0.5", _within(0, 0.5, low_too=False)),
    "power": ("a probability from 0.5 to below 1", _within(0.5, 1, low_too=True)),
    "method": (f"one of {', '.join(METHODS)}", _one_of(METHODS)),
    "version": ("text or a number", _version),
}
"""What each option must be, and what checks it: the value as it is kept, or None where it is wrong."""

_MAY_BE_NONE: Final = ("min", "max", "rtol", "atol", "version")
_READ: Final[dict[str, Callable[[str], Any]]] = {
    "direction": str,
    "method": str,
    "version": str,
    "over": lambda text: tuple(name for name in text.split(",") if name),
}
"""How options are read from text that are no numbers."""
