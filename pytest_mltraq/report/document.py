"""The report for programs: JSON.

::

    {"schema": 1,
     "session": {"id", "started_at", "finished_at", "exit_status", "commit", "branch", "ci", "tags", ...},
     "baseline": "auto", "stored_in": "results.db",
     "fails": true,
     "verdicts": [{"experiment", "metric", "params", "verdict", "fails", "reason", ..., "values": {"seed:0": 0.9}}]}

What is no finite number is null. Later versions may add names; a version that changes one has another `schema`.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

from pytest_mltraq.codec import load_list, load_object
from pytest_mltraq.judged import Judged
from pytest_mltraq.report.files import SessionReport
from pytest_mltraq.report.verdicts import worst_first

SCHEMA: Final = 1

_OF_SESSION: Final = ("id", "started_at", "finished_at", "exit_status", "origin", "commit", "branch", "dirty", "python")


def render(report: SessionReport) -> str:
    """Return the report as JSON, the worst verdict first."""
    session = {name: getattr(report.session, name) for name in _OF_SESSION}
    session["tags"] = load_list(report.session.tags, "tags")
    session["ci"] = None if report.session.ci is None else load_object(report.session.ci, "ci")
    document = {
        "schema": SCHEMA,
        "session": session,
        "baseline": report.baseline,
        "stored_in": report.stored_in,
        "fails": any(one.verdict.fails for one in report.judged),
        "verdicts": [verdict_document(one) for one in worst_first(report.judged)],
    }
    return json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def verdict_document(judged: Judged) -> dict[str, Any]:
    """Return what is known of a metric that was judged."""
    baseline = judged.baseline
    return {
        **judged.verdict._asdict(),
        "nodeid": judged.nodeid,
        "file": judged.file,
        "line": judged.line,
        "values": judged.values,
        "baseline": judged.said,
        "baseline_sessions": judged.sessions,
        "baseline_commit": None if baseline is None else baseline.commit,
        "baseline_branch": None if baseline is None else baseline.branch,
        "baseline_started_at": None if baseline is None else baseline.started_at.isoformat(),
        "baseline_distance": judged.distance,
        "accepted": judged.accepted,
        "notes": list(judged.notes),
    }


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
