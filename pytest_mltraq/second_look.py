"""A second look at a verdict that fails, by runs with fresh seeds: what it changes, and what it doesn't."""

from __future__ import annotations

from pytest_mltraq.compare import Verdict
from pytest_mltraq.counting import counted


def may_be_taken_back(verdict: Verdict) -> bool:
    """Whether a second look can change a verdict: not one that passes, nor of what doesn't vary, or is missing."""
    return verdict.fails and verdict.verdict == "regressed" and verdict.method != "exact"


def confirm(first: Verdict, second: Verdict) -> Verdict:
    """Take a second look, with fresh seeds, at a verdict that fails the gate.

    The first one stands where the second one's change is to the worse, too, by more than the tolerance; else it is undecided. A
    limit stands where the second look fails as well. A second look can only take a failure back: so it can't raise the share of false
    alarms, whatever it sees, and at most alpha of the unchanged metrics still fail. How many it takes back depends on the baseline,
    which both looks share: where that was too good by chance, both are worse. `docs/judging.md` has measured figures, and why the second look
    need not be significant itself: it has other seeds than the baseline, and would miss most of what pairs find.

    What doesn't vary (`exact`), or is missing, is as it was.
    """
    if not may_be_taken_back(first):
        return first
    if second.verdict == "missing" or second.mean is None:
        return first._replace(reason=f"{first.reason}; the second look has no value")
    seen = f"{counted(second.n, 'fresh run')} with a mean of {second.mean:.4g}"
    is_worse = second.change is not None and -second.sign * second.change > second.tolerance
    if second.fails or (is_worse and first.limit is None):
        return first._replace(reason=f"{first.reason}; confirmed by {seen}")
    return first._replace(verdict="undecided", fails=False, reason=f"{first.reason}; not confirmed by {seen}")
