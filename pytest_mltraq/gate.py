"""The gate: a session's metrics are read, with those of the sessions that they are compared with, and judged.

Everything is read from the database, of the judged session too: so pytest, with one process or many, and the command line
judge in one way. What a verdict is, `compare` decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_mltraq.acceptance import Acceptance, key_of
from pytest_mltraq.baseline import Baseline, Here
from pytest_mltraq.compare import Sample, confirm, correct, judge
from pytest_mltraq.groups import CONFIRMING
from pytest_mltraq.judged import Judged
from pytest_mltraq.metric import Metric, from_plain
from pytest_mltraq.past import Comparison, Group, Key, Past, group_runs
from pytest_mltraq.storage import history

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


class Gate:
    """Judges sessions.

    Args:
        baseline: what metrics are compared with.
        here: where the judged session stands in the history of its repository.
        acceptances: the accepted changes that are in force; None compares whatever was accepted.
    """

    def __init__(self, baseline: Baseline, here: Here, acceptances: Mapping[Key, Acceptance] | None) -> None:
        self._baseline = baseline
        self._here = here
        self._acceptances = acceptances

    def judge(self, connection: Connection, id_session: str, earlier: Connection | None) -> list[Judged]:
        """Judge the metrics of a session.

        Args:
            connection: to the database that the session is in.
            id_session: its id.
            earlier: to the database that it is compared with; None where that has nothing.
        """
        versions = history.list_versions(connection, id_session)
        again = {version.experiment: version for version in versions if version.experiment.endswith(CONFIRMING)}
        found: list[tuple[Judged, list[Sample]]] = []
        for version in versions:
            if version.metrics and version.experiment not in again:
                found += self._judge_experiment(connection, version, earlier)
        verdicts = correct([judged.verdict for judged, _ in found])
        judged = [before._replace(verdict=verdict) for (before, _), verdict in zip(found, verdicts, strict=True)]
        if again:
            samples = [sample for _, sample in found]
            judged = [_confirm(connection, one, of_one, again) for one, of_one in zip(judged, samples, strict=True)]
        return judged

    def _judge_experiment(
        self, connection: Connection, version: history.Version, earlier: Connection | None
    ) -> Iterator[tuple[Judged, list[Sample]]]:
        """Yield the verdicts on the metrics of an experiment, each with the samples that it was compared with."""
        metrics = {metric.name: (metric, is_optional) for metric, is_optional in map(_read_metric, version.metrics)}
        measured = history.read_measured(connection, [version.earlier.id_experiment], list(metrics))
        groups = {
            key_of(version.experiment, metric.name, group.params): group
            for metric, _ in metrics.values()
            for group in group_runs(measured, metric)
        }
        compared = Past(self._baseline, self._here, self._acceptances, version, earlier).compare(groups)
        has_it = {group.metric.name for key, group in groups.items() if group.is_set() or compared[key].samples}
        for key, group in groups.items():
            _, is_optional = metrics[group.metric.name]
            if group.metric.name in has_it or not is_optional:
                yield _judge(version, group, compared[key]), compared[key].samples


def _judge(version: history.Version, group: Group, compared: Comparison) -> Judged:
    metric, params = group.metric, group.params
    verdict = judge(version.experiment, metric, params, compared.candidate, compared.samples)
    if verdict.verdict == "new" and not compared.samples:
        verdict = verdict._replace(reason=f"{verdict.reason}: {compared.said}")
    whole = group.sample(version.earlier, metric.version)
    if whole != compared.candidate:  # limits and failures are those of all runs
        alone = judge(version.experiment, metric, params, whole, [])
        if alone.verdict != "new":
            verdict = verdict._replace(
                **{name: getattr(alone, name) for name in ("verdict", "fails", "reason", "n", "mean", "sd", "p_value")}
            )
    accepted = compared.accepted
    return Judged(
        verdict,
        metric,
        version.earlier.id_experiment,
        version.nodeid,
        version.file,
        version.line,
        len(compared.samples),
        compared.nearest,
        compared.distance,
        compared.said,
        tuple(compared.notes),
        None if accepted is None else accepted.session,
        group.values(),
        tuple(group.nodeids),
    )


def _read_metric(plain: Mapping[str, Any]) -> tuple[Metric, bool]:
    """Read a stored metric, and whether it is judged only where the experiment has it."""
    spec = {name: value for name, value in plain.items() if name != "optional"}
    return from_plain(spec), bool(plain.get("optional"))


def _confirm(
    connection: Connection, judged: Judged, samples: Sequence[Sample], again: Mapping[str, history.Version]
) -> Judged:
    """Take the second look at a metric that would fail, where its group was run again with fresh seeds."""
    version = again.get(judged.verdict.experiment + CONFIRMING)
    if version is None or not judged.verdict.fails:
        return judged
    metric = judged.metric
    measured = history.read_measured(connection, [version.earlier.id_experiment], [metric.name])
    key = key_of("", "", judged.verdict.params)
    for group in group_runs(measured, metric):
        if key_of("", "", group.params) == key:
            fresh = {name: one._replace(key=f"fresh {name}") for name, one in group.replicates.items()}
            candidate = group._replace(replicates=fresh).sample(version.earlier, metric.version)
            second = judge(judged.verdict.experiment, metric, group.params, candidate, samples)
            return judged._replace(verdict=confirm(judged.verdict, second))
    return judged
