"""A metric that was judged: the verdict, and what must be known of it to be read."""

from __future__ import annotations

from typing import NamedTuple

from pytest_mltraq.baseline import Earlier
from pytest_mltraq.compare import Verdict
from pytest_mltraq.groups import label_params
from pytest_mltraq.metric import Metric


class Judged(NamedTuple):
    """A metric of a group of runs, judged.

    Attributes:
        verdict: what was found.
        metric: what was judged, and how.
        id_experiment: the experiment's version that it belongs to.
        nodeid: where pytest found the experiment, or None.
        file: the file of its last step, or None.
        line: the line there, from 1, or None.
        sessions: how many sessions it was compared with.
        baseline: the nearest session that it was compared with, or None.
        distance: how many commits that one is away from the commit that `said` names, or None.
        said: which sessions it was compared with, in words; where there are none, why.
        notes: what else one must know of the comparison.
        accepted: the session whose change was accepted and is in force, or None.
        values: the metric by replicate.
        runs: what pytest calls the runs of the group.
    """

    verdict: Verdict
    metric: Metric
    id_experiment: str
    nodeid: str | None
    file: str | None
    line: int | None
    sessions: int
    baseline: Earlier | None
    distance: int | None
    said: str
    notes: tuple[str, ...]
    accepted: str | None
    values: dict[str, float]
    runs: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called among the metrics of its experiment: `accuracy[model:tree]`."""
        label = label_params(self.verdict.params)
        return f"{self.metric.name}[{label}]" if label else self.metric.name
