"""The gate: a session's metrics are read, with those of the sessions that they are compared with, and judged.

Everything is read from the database, of the judged session too: so pytest, with one process or many, and the command line
judge in one way. What a verdict is, `compare` decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pytest_mltraq.acceptance import Acceptance, key_of
from pytest_mltraq.baseline import Baseline, Here
from pytest_mltraq.compare import Sample, absent, correct, judge
from pytest_mltraq.groups import CONFIRMING, label_params
from pytest_mltraq.judged import Judged
from pytest_mltraq.metric import Metric, from_plain
from pytest_mltraq.past import Comparison, Group, Key, Past, group_runs
from pytest_mltraq.second_look import confirm
from pytest_mltraq.storage import history
from pytest_mltraq.storage.rows import Connection


class _Found(NamedTuple):
    """A metric of a group of runs, and what it is compared with.

    Attributes:
        version: the experiment.
        group: the runs.
        compared: the sessions.
        is_gone: whether only these have the group.
    """

    version: history.Version
    group: Group
    compared: Comparison
    is_gone: bool


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
        found: list[_Found] = []
        for version in versions:
            if version.metrics and version.experiment not in again:
                found += self._find(connection, version, earlier)
        judged = [_judge(one) for one in found]
        tests = sum(one.verdict.p_value is not None for one in judged)
        if tests > 1:
            judged = [_judge(one, tests) for one in found]
        verdicts = correct([one.verdict for one in judged])
        judged = [before._replace(verdict=verdict) for before, verdict in zip(judged, verdicts, strict=True)]
        if again:
            samples = [one.compared.samples for one in found]
            judged = [_confirm(connection, one, of_one, again) for one, of_one in zip(judged, samples, strict=True)]
        return judged

    def _find(self, connection: Connection, version: history.Version, earlier: Connection | None) -> Iterator[_Found]:
        """Yield the metrics of the groups of an experiment, each with what it is compared with."""
        metrics = {metric.name: metric for metric in map(from_plain, version.metrics)}
        measured = history.read_measured(connection, [version.earlier.id_experiment], list(metrics))
        groups = _group(version, measured, metrics)
        past = Past(self._baseline, self._here, self._acceptances, version, earlier)
        expected = past.expected(groups)
        missed = {key: group for key, group in expected.items() if key not in groups}
        is_other = len(missed) == len(expected) and bool(version.is_whole(len(measured)))
        gone = {} if is_other else _gone(version, measured, groups, missed)
        compared = past.compare(groups | gone)
        optional = {plain["name"] for plain in version.metrics if plain.get("optional")}
        has_it = {group.metric.name for key, group in groups.items() if group.is_set() or compared[key].samples}
        for key, group in (groups | gone).items():
            name = group.metric.name
            if name in has_it or name not in optional:
                notes = _notes(
                    [one for other, one in missed.items() if one.metric.name == name and other not in gone],
                    groups,
                    is_other=is_other,
                )
                found = compared[key]._replace(notes=[*compared[key].notes, *notes])
                yield _Found(version, group, found, key in gone)


def _group(
    version: history.Version, measured: Iterable[history.Measured], metrics: Mapping[str, Metric]
) -> dict[Key, Group]:
    return {
        key_of(version.experiment, metric.name, group.params): group
        for metric in metrics.values()
        for group in group_runs(measured, metric)
    }


def _gone(
    version: history.Version,
    measured: Sequence[history.Measured],
    groups: Mapping[Key, Group],
    missed: Mapping[Key, Group],
) -> dict[Key, Group]:
    """Return the groups, of those that are missed, that the experiment has no longer.

    Of a session that ran a part of the experiment nothing is said to be gone; nor is a group whose runs were skipped. Where no
    run has params of the same names any more, or none of the groups is left, the grid is another one, and its groups are new.
    """
    if not version.is_whole(len(measured)):
        return {}
    metrics = {group.metric.name: group.metric for group in missed.values()}
    skipped = _group(version, [one._replace(outcome=None) for one in measured], metrics)
    names = {frozenset(group.params) for group in groups.values()}
    return {key: group for key, group in missed.items() if key not in skipped and frozenset(group.params) in names}


def _notes(missed: Sequence[Group], groups: Mapping[Key, Group], *, is_other: bool) -> Iterator[str]:
    """Say which groups of the baseline are not judged."""
    names = {frozenset(group.params) for group in groups.values()}
    labels = [label_params(group.params) or "without params" for group in missed if frozenset(group.params) in names]
    if labels:
        what = "not comparable: none of the baseline's groups is left ({})" if is_other else "did not run here: {}"
        yield what.format(", ".join(labels))
    others = {", ".join(group.params) or "no params": None for group in missed if frozenset(group.params) not in names}
    if others:
        yield f"not comparable: the baseline's runs have other params ({'; '.join(others)})"


def _judge(found: _Found, tests: int = 1) -> Judged:
    version, group, compared, is_gone = found
    metric, params = group.metric, group.params
    if is_gone:
        verdict = absent(version.experiment, metric, params, compared.samples)
    else:
        verdict = judge(version.experiment, metric, params, compared.candidate, compared.samples, tests=tests)
    if verdict.verdict == "new" and not compared.samples:
        verdict = verdict._replace(reason=f"{verdict.reason}: {compared.said}")
    whole = group.sample(version.earlier, metric.version)
    if whole != compared.candidate and not is_gone:  # limits and failures are those of all runs
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
