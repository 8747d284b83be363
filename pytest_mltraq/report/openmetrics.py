"""The metrics as OpenMetrics text, which GitLab compares between the branches of a merge request.

Source: OpenMetrics 1.0, https://prometheus.io/docs/specs/om/open_metrics_spec/; GitLab compares values as text, so they are rounded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

from pytest_mltraq.groups import label_params
from pytest_mltraq.judged import Judged
from pytest_mltraq.report.files import SessionReport

DIGITS: Final = 6
"""Significant digits of a value: more would differ between machines, and each difference is shown."""

_ODD: Final = re.compile(r"[^a-zA-Z0-9_]+")


def render(report: SessionReport) -> str:
    """Return the mean of each judged metric as a gauge."""
    families: dict[str, list[Judged]] = {}
    for one in report.judged:
        if one.verdict.mean is not None:
            families.setdefault("mltraq_" + _ODD.sub("_", one.metric.name), []).append(one)
    lines = []
    for name, judged in sorted(families.items()):
        better = "higher" if judged[0].metric.direction == "maximize" else "lower"
        lines.append(f"# HELP {name} {_escaped(judged[0].metric.name)} ({better} is better)")
        lines.append(f"# TYPE {name} gauge")
        lines += [f"{name}{_labels(one)} {_value(one.verdict.mean)}" for one in judged]
    return "\n".join([*lines, "# EOF", ""])


def _labels(judged: Judged) -> str:
    labels = {
        "experiment": judged.verdict.experiment,
        "metric": judged.metric.name,
        "group": label_params(judged.verdict.params),
    }
    return _braces({name: value for name, value in labels.items() if value})


def _braces(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _value(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return f"{value:.{DIGITS}g}"
