"""Metrics, as markers and lines of an ini file say them."""

from __future__ import annotations

import math

import pytest

from pytest_mltraq.errors import ConfigurationError
from pytest_mltraq.metric import Metric, from_plain, make_metric, parse_metric, to_plain


def test_a_metric_has_defaults() -> None:
    """A name will do."""
    assert make_metric("accuracy") == Metric(
        "accuracy", "maximize", None, None, None, None, ("seed", "fold", "repeat"), 0.05, 0.8, "auto", None
    )


def test_a_metric_takes_all_options() -> None:
    """Each as it is kept."""
    metric = make_metric(
        "loss",
        direction="minimize",
        min=0,
        max=2,
        rtol=0.01,
        atol=1e-3,
        over="seed",
        alpha=0.01,
        power=0.9,
        method="paired",
        version=2,
    )

    assert metric == Metric("loss", "minimize", 0.0, 2.0, 0.01, 1e-3, ("seed",), 0.01, 0.9, "paired", "2")
    assert from_plain(to_plain(metric)) == metric


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        ((), {}, "expected the name of one field, found nothing"),
        (("a", "b"), {}, "expected the name of one field, found 'a', 'b'"),
        ((1,), {}, "expected the name of one field, found 1"),
        (("a",), {"directoin": "maximize"}, "there is no option 'directoin'; did you mean 'direction'?"),
        (("a",), {"direction": "up"}, "expected direction as 'maximize' or 'minimize', found 'up'"),
        (("a",), {"min": "0.9"}, "expected min as a finite number, found '0.9'"),
        (("a",), {"max": math.nan}, "expected max as a finite number, found nan"),
        (("a",), {"min": True}, "expected min as a finite number, found True"),
        (("a",), {"rtol": -0.1}, "expected rtol as a fraction of the baseline, 0 or more, found -0.1"),
        (("a",), {"alpha": 0.5}, "expected alpha as a probability between 0 and 0.5, found 0.5"),
        (("a",), {"alpha": 0}, "expected alpha as a probability between 0 and 0.5, found 0"),
        (("a",), {"power": 1}, "expected power as a probability from 0.5 to below 1, found 1"),
        (("a",), {"method": "anova"}, "expected method as one of auto, exact, "),
        (("a",), {"over": [1]}, "expected over as names of params, found [1]"),
        (("a",), {"over": None}, "expected over as names of params, found None"),
        (("a",), {"min": 2, "max": 1}, "expected min <= max, found min=2, max=1"),
        (("a",), {"version": ""}, "expected version as text or a number, found ''"),
    ],
)
def test_what_is_wrong_in_a_metric_is_named(
    names: tuple[object, ...], options: dict[str, object], message: str
) -> None:
    """The error says what was expected and what was found."""
    with pytest.raises(ConfigurationError) as caught:
        make_metric(*names, **options)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("accuracy", (None, Metric("accuracy"))),
        ("  loss minimize  ", (None, Metric("loss", "minimize"))),
        ("iris*: accuracy min=0.9", ("iris*", Metric("accuracy", min=0.9))),
        ("tests.test_a.test_b: f1 over= ", None),
        ("f1 over=fold,seed alpha=0.01", (None, Metric("f1", over=("fold", "seed"), alpha=0.01))),
        ("f1 direction=minimize version=1.10", (None, Metric("f1", "minimize", version="1.10"))),
    ],
)
def test_a_metric_is_a_line_of_an_ini_file(line: str, expected: tuple[str | None, Metric] | None) -> None:
    """A pattern of experiments, the name, a direction and options."""
    if expected is None:
        with pytest.raises(ConfigurationError):
            parse_metric(line)
    else:
        assert parse_metric(line) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "expected [EXPERIMENT:] NAME [KEY=VALUE ...], found ''"),
        (" : accuracy", "expected [EXPERIMENT:] NAME"),
        ("accuracy big", "expected KEY=VALUE, found 'big'"),
        ("accuracy min=", "expected KEY=VALUE, found 'min='"),
        ("accuracy min=low", "expected min as a finite number, found 'low'"),
        ("accuracy min=1 min=2", "min is said twice"),
        ("accuracy maximize direction=minimize", "direction is said twice"),
        ("accuracy mni=1", "there is no option 'mni'; did you mean 'min'?"),
    ],
)
def test_what_is_wrong_in_a_line_is_named(line: str, message: str) -> None:
    """As in a marker."""
    with pytest.raises(ConfigurationError) as caught:
        parse_metric(line)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("rtol", "atol", "baseline", "expected"),
    [(None, None, 5.0, 0.0), (0.01, None, -5.0, 0.05), (0.01, 0.2, 5.0, 0.2), (0.01, None, 0.0, 0.0)],
)
def test_a_tolerance_is_meant_of_the_size_of_the_baseline(
    rtol: float | None, atol: float | None, baseline: float, expected: float
) -> None:
    """Whatever its sign; the larger of both counts."""
    assert make_metric("a", rtol=rtol, atol=atol).tolerance(baseline) == pytest.approx(expected)
