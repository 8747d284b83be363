"""What the metrics of an experiment were in earlier sessions: those that a session may be compared with."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from pytest_mltraq.acceptance import Acceptance, key_of
from pytest_mltraq.baseline import Baseline, Earlier, Here, select_sessions
from pytest_mltraq.compare import Replicate, Sample
from pytest_mltraq.counting import counted
from pytest_mltraq.groups import label_params, split_params
from pytest_mltraq.levels import current_level
from pytest_mltraq.metric import Metric
from pytest_mltraq.storage import history
from pytest_mltraq.storage.rows import Connection

AT_ONCE: Final = 32
"""Sessions that are read at once."""

AT_MOST: Final = 400
"""Sessions that are read at all, where many of them lack what is looked for."""

_EXPLICIT: Final = ("tag", "commit", "session")
"""Baselines that are named by people, who may compare with any session, also with one that failed the gate."""

_WINDOWS: Final = ("auto", "window")
"""Baselines of several sessions, whose level may have changed among them."""

Key = tuple[str, str, str]
"""Experiment, metric and params, as `key_of` writes them."""


class Group(NamedTuple):
    """Runs of a version with the same params but those of replicates.

    Attributes:
        metric: what they are judged by.
        params: what they have in common.
        replicates: their values of the metric, by what tells them apart.
        nodeids: what pytest calls them.
    """

    metric: Metric
    params: dict[str, Any]
    replicates: dict[str, Replicate]
    nodeids: list[str]

    def is_set(self) -> bool:
        """Whether one of the runs set the metric."""
        return any(replicate.value is not None for replicate in self.replicates.values())

    def values(self) -> dict[str, float]:
        """Return the metric of the runs that set it."""
        return {name: one.value for name, one in self.replicates.items() if one.value is not None}

    def sample(self, earlier: Earlier, version: str | None) -> Sample:
        """Make what is compared of it.

        Args:
            earlier: the session that it ran in.
            version: of the metric's definition in that session.
        """
        replicates = tuple(self.replicates.values())
        return Sample(earlier.id_session, earlier.started_at, earlier.commit, earlier.branch, version, replicates)


class Comparison(NamedTuple):
    """What a group of runs is compared with.

    Attributes:
        candidate: its runs that can be compared.
        samples: those of earlier sessions, the oldest first.
        nearest: the session of the last one, or None.
        distance: how many commits that one is away, or None.
        said: which sessions they are, in words; where there are none, why.
        notes: what else one must know.
        accepted: the accepted change that is in force, or None.
    """

    candidate: Sample
    samples: list[Sample]
    nearest: Earlier | None
    distance: int | None
    said: str
    notes: list[str]
    accepted: Acceptance | None


class _Page(NamedTuple):
    """What is stored of some sessions.

    Attributes:
        measured: the runs, by the id of the experiment's version.
        said: the verdicts, by the id of the experiment's version and what they are on.
    """

    measured: Mapping[str, Sequence[history.Measured]]
    said: Mapping[tuple[str, Key], history.StoredVerdict]


class Past:
    """Earlier sessions, as far as a version of an experiment may be compared with them.

    Args:
        baseline: which sessions are meant.
        here: where the judged session stands in the history of its repository.
        acceptances: the accepted changes that are in force; None compares whatever was accepted.
        version: the version that is judged.
        connection: to the database that the sessions are in; None where that has nothing.
    """

    def __init__(
        self,
        baseline: Baseline,
        here: Here,
        acceptances: Mapping[Key, Acceptance] | None,
        version: history.Version,
        connection: Connection | None,
    ) -> None:
        self._baseline = baseline
        accepted = {} if acceptances is None else acceptances
        self._acceptances = {key: one for key, one in accepted.items() if not one.is_removal}
        self._removed = {key for key, one in accepted.items() if one.is_removal}
        self._has_levels = acceptances is not None
        self._version = version
        self._connection = connection
        finished = [] if connection is None else history.list_finished(connection, version.experiment)
        others = [other for other in finished if self._is_earlier(other.earlier)]
        self._others = {other.earlier.id_session: other for other in others if other.fields == version.fields}
        self._selection = select_sessions(baseline, here, [other.earlier for other in self._others.values()])
        self._notes = _fields_note(version, others)
        self._left_out: dict[Key, Counter[str]] = {}
        self._loaded: tuple[Sequence[Earlier], _Page] = [], _Page({}, {})

    def _is_earlier(self, other: Earlier) -> bool:
        own = self._version.earlier
        if other.id_session == own.id_session:
            return False
        return self._baseline.kind in _EXPLICIT or other.started_at < own.started_at

    def compare(self, groups: Mapping[Key, Group]) -> dict[Key, Comparison]:
        """Find what each group is compared with."""
        self._left_out = {key: Counter() for key in groups}
        newest_first = self._read(groups)
        return {key: self._compare(key, group, newest_first[key]) for key, group in groups.items()}

    def expected(self, groups: Mapping[Key, Group]) -> dict[Key, Group]:
        """Return the groups that the newest session that ran as a whole has, of the metrics of some groups; without runs.

        One that was missed there already is expected here too: it isn't forgotten because a session without it was stored. One whose
        removal was accepted is not expected.
        """
        sessions = self._selection.sessions[-AT_ONCE:]
        metrics = {group.metric.name: group.metric for group in groups.values()}
        page = self._load_page(sessions, list(metrics))
        newest = next((earlier for earlier in reversed(sessions) if self._is_whole(earlier, page)), None)
        if newest is None:
            return {}
        known = {key: group for key, group in self._groups(newest, page, metrics) if group.is_set()}
        for (id_experiment, key), stored in page.said.items():
            if id_experiment == newest.id_experiment and stored.verdict == "missing" and stored.metric in metrics:
                known.setdefault(key, Group(metrics[stored.metric], stored.params, {}, []))
        return {
            key: group._replace(replicates={}, nodeids=[]) for key, group in known.items() if key not in self._removed
        }

    def _is_whole(self, earlier: Earlier, page: _Page) -> bool:
        """Whether a session ran all runs of the experiment; one that doesn't know how many there were did."""
        runs = len(page.measured.get(earlier.id_experiment, ()))
        return self._others[earlier.id_session].is_whole(runs) is not False

    def _read(self, groups: Mapping[Key, Group]) -> dict[Key, list[Sample]]:
        """Read the samples of each group, the newest first, as many as the baseline asks for."""
        size = AT_MOST if self._baseline.kind == "best" else self._selection.size
        found: dict[Key, list[Sample]] = {key: [] for key in groups}
        sessions = self._selection.sessions[-AT_MOST:]
        while sessions and any(len(samples) < size for samples in found.values()):
            page, sessions = sessions[-AT_ONCE:], sessions[:-AT_ONCE]
            for earlier, key, group in self._read_page(page, groups):
                if len(found[key]) < size:
                    found[key].append(group.sample(earlier, self._version_of(earlier, group.metric.name)))
        return found

    def _read_page(
        self, sessions: Sequence[Earlier], groups: Mapping[Key, Group]
    ) -> Iterator[tuple[Earlier, Key, Group]]:
        """Yield the groups of some sessions that have the metrics, and are no other level, the newest first."""
        metrics = {group.metric.name: group.metric for group in groups.values()}
        page = self._load_page(sessions, list(metrics))
        for earlier in reversed(sessions):
            for key, group in self._groups(earlier, page, metrics):
                if not group.is_set() or key not in groups:
                    continue
                reason = self._why_left_out(key, page.said.get((earlier.id_experiment, key)))
                if reason is None:
                    yield earlier, key, group
                else:
                    self._left_out[key][reason] += 1

    def _load_page(self, sessions: Sequence[Earlier], metrics: Sequence[str]) -> _Page:
        assert self._connection is not None  # noqa: S101 - without one no session was selected
        if self._loaded[0] == sessions:
            return self._loaded[1]
        ids = [earlier.id_experiment for earlier in sessions]
        measured: dict[str, list[history.Measured]] = {}
        for one in history.read_measured(self._connection, ids, metrics):
            measured.setdefault(one.id_experiment, []).append(one)
        said = {
            (stored.id_experiment, key_of(self._version.experiment, stored.metric, stored.params)): stored
            for stored in history.read_verdicts(self._connection, ids)
        }
        self._loaded = sessions, _Page(measured, said)
        return self._loaded[1]

    def _groups(self, earlier: Earlier, page: _Page, metrics: Mapping[str, Metric]) -> Iterator[tuple[Key, Group]]:
        for metric in metrics.values():
            for group in group_runs(page.measured.get(earlier.id_experiment, ()), metric):
                yield key_of(self._version.experiment, metric.name, group.params), group

    def _why_left_out(self, key: Key, stored: history.StoredVerdict | None) -> str | None:
        """Say why a session is not compared with, if it isn't.

        A level of a metric begins where a change of it was accepted: a session belongs to it that was judged while this
        was in force. What failed the gate is never a baseline by itself.
        """
        if self._has_levels:
            accepted = self._acceptances.get(key)
            if (None if stored is None else stored.accepted) != (None if accepted is None else accepted.session):
                return "judged at another accepted level"
        if stored is not None and stored.fails and self._baseline.kind not in _EXPLICIT:
            return "in which it failed"
        return None

    def _version_of(self, earlier: Earlier, metric: str) -> str | None:
        """Return the version of a metric's definition in a session."""
        plains = self._others[earlier.id_session].metrics
        return next((plain.get("version") for plain in plains if plain["name"] == metric), None)

    def _compare(self, key: Key, group: Group, newest_first: list[Sample]) -> Comparison:
        samples, accepted = newest_first[::-1], self._acceptances.get(key)
        notes = [*self._notes, *_left_out_notes(self._left_out[key])]
        if accepted is not None and len(samples) < self._selection.size:
            samples.insert(0, _accepted_sample(accepted, group.metric))
        if self._baseline.kind == "best":
            samples = _best(samples, group.metric)
        elif self._baseline.kind in _WINDOWS:
            samples, note = current_level(samples, group.metric)
            notes += note
        comparable, samples, note = _align(group, samples)
        notes += note
        nearest = self._others.get(samples[-1].id_session) if samples else None
        if nearest is not None:
            notes += _config_notes(self._version, nearest)
        if accepted is not None:
            notes.append(f"{accepted.new:.6g} was accepted by {accepted.by or 'someone'}: {accepted.reason}")
        said = self._selection.said if self._others else "no earlier session stored it"
        if self._selection.sessions and not samples:
            why = "none can be compared with" if self._left_out[key] else "none has it"
            said = f"{counted(len(self._selection.sessions), 'session')}, {said}; {why}"
        return Comparison(
            comparable.sample(self._version.earlier, group.metric.version),
            samples,
            None if nearest is None else nearest.earlier,
            None if nearest is None else self._selection.distances.get(nearest.earlier.id_session),
            said,
            notes,
            accepted,
        )


def group_runs(measured: Iterable[history.Measured], metric: Metric) -> list[Group]:
    """Group runs by their params but those that a metric is averaged over; runs that were skipped didn't run."""
    groups: dict[str, Group] = {}
    for one in measured:
        if one.outcome == "skipped":
            continue
        params, replicate = split_params(one.params, metric.over)
        group = groups.setdefault(repr(sorted(params.items())), Group(metric, params, {}, []))
        if one.nodeid is not None:
            group.nodeids.append(one.nodeid)
        name = unique = label_params(replicate)
        number = 1
        while unique in group.replicates:
            number += 1
            unique = f"{name}#{number}"
        group.replicates[unique] = Replicate(unique, one.values.get(metric.name), one.outcome)
    return list(groups.values())


def _align(group: Group, samples: list[Sample]) -> tuple[Group, list[Sample], list[str]]:
    """Take the replicates that a group has in common with earlier sessions: means over other seeds would be no comparison.

    Returns:
        The group, with the replicates that can be compared, and those that have no value; the sessions that have all of them,
        with no others; and what is to be said of it. Where no session has one of its replicates, all of them are compared.
    """
    own = set(group.values())
    shared: set[str] = set()
    for sample in samples:
        overlap = own & _keys(sample)
        shared = overlap if len(overlap) >= len(shared) else shared
    if not shared:
        return group, samples, []
    complete = [sample for sample in samples if shared <= _keys(sample)]
    notes = _left_out_notes(Counter({"with other replicates": len(samples) - len(complete)}))
    theirs = len(_keys(complete[-1]))
    if len(shared) < max(len(own), theirs):
        notes.append(f"compared by the {len(shared)} replicates in common, of {len(own)} here and {theirs} there")
    replicates = {name: one for name, one in group.replicates.items() if one.value is None or name in shared}
    kept = [
        sample._replace(replicates=tuple(one for one in sample.replicates if one.key in shared)) for sample in complete
    ]
    return group._replace(replicates=replicates), kept, notes


def _keys(sample: Sample) -> set[str]:
    return {one.key for one in sample.replicates if one.value is not None}


def _accepted_sample(accepted: Acceptance, metric: Metric) -> Sample:
    at = datetime.datetime.fromisoformat(accepted.at).replace(tzinfo=datetime.UTC)
    replicates = tuple(Replicate(name, value, "passed") for name, value in accepted.values.items())
    return Sample(accepted.session, at, accepted.commit, None, metric.version, replicates)


def _best(samples: Sequence[Sample], metric: Metric) -> list[Sample]:
    """Return the sample with the best mean alone."""

    def goodness(sample: Sample) -> float:
        values = [one.value for one in sample.replicates if one.value is not None]
        return metric.sign * sum(values) / len(values)

    return [max(samples, key=goodness)] if samples else []


def _fields_note(version: history.Version, others: Sequence[history.Version]) -> list[str]:
    """Say how many sessions are not compared with because their experiment has other fields, such as other data."""
    differing = [other for other in others if other.fields != version.fields]
    if not differing:
        return []
    change = _difference(differing[-1].fields, version.fields)
    return [f"{counted(len(differing), 'session')} with other fields left out: {change}"]


def _config_notes(version: history.Version, nearest: history.Version) -> list[str]:
    if nearest.config == version.config:
        return []
    return [f"the config differs: {_difference(nearest.config, version.config)}"]


def _left_out_notes(reasons: Counter[str]) -> list[str]:
    return [f"{counted(number, 'session')} {reason} left out" for reason, number in sorted(reasons.items()) if number]


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    names = [name for name in dict.fromkeys([*before, *after]) if before.get(name) != after.get(name)]
    return ", ".join(f"{name} was {before.get(name)!r}, is {after.get(name)!r}" for name in names)
