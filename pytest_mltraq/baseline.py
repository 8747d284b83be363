"""Baselines: what metrics are compared with, as options name them, and the sessions that are meant.

=====================  ==========================================================================================
spec                   the sessions that are compared with
=====================  ==========================================================================================
``auto``               in CI for a pull request, up to 20 sessions at ancestors of the merge base with its target;
                       elsewhere up to 20 at the current commit or its ancestors; without git, the newest 20
``last``               the newest
``window:N``           the newest N; ``window:N@BRANCH``: of a branch
``branch:NAME``        the newest of a branch
``tag:NAME``           the newest that was named so (``--mltraq-tag``)
``commit:SHA``         the newest at a commit; the first digits of its hash will do
``merge-base:NAME``    the nearest at an ancestor of the merge base of the current commit and a branch
``session:ID``         one; the first digits of its id will do
``best``               the one with the best mean of each metric
=====================  ==========================================================================================

Where a spec speaks of commits (``auto``, ``commit``, ``merge-base``), sessions that ran with uncommitted changes are taken only where
there are no others.

``@PATH or URL`` at the end reads another database: ``window:20@main@results/main.db``. What follows an ``@`` is a database where
it is a URL, begins with ``/``, ``./``, ``../`` or ``~``, or ends with ``.db``, ``.sqlite`` or ``.sqlite3``; elsewhere the ``@``
belongs to the name, or to the branch of a window.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pytest_mltraq.errors import ConfigurationError, near
from pytest_mltraq.git import Ancestry, find_ancestors, find_default_branch, find_merge_base
from pytest_mltraq.passwords import without_password

AUTO_WINDOW: Final = 20
"""How many sessions `auto` compares with: enough that chance is known well, few enough that they are like today's."""

SHORT: Final = 7
"""Digits of a commit's hash that people are shown, as git does."""

_ALONE: Final = ("auto", "last", "best")
_NAMED: Final = ("branch", "tag", "commit", "merge-base", "session")
_KINDS: Final = "auto, last, best, window:N, branch:NAME, tag:NAME, commit:SHA, merge-base:NAME or session:ID"
_MIN_PREFIX: Final = 4
_DATABASE: Final = re.compile(r"[a-z][\w+.-]*://.+|[^@]*\.(db|sqlite|sqlite3)|(/|\./|\.\./|~)[^@]*", re.IGNORECASE)


class Baseline(NamedTuple):
    """What metrics are compared with.

    Attributes:
        kind: the first word of the spec.
        name: of a branch, tag, commit, session; of a window, the branch, or None for any.
        size: how many sessions at most.
        database: the path or URL of another database, or None.
    """

    kind: str
    name: str | None = None
    size: int = 1
    database: str | None = None

    def __str__(self) -> str:
        """Write the spec, without a password."""
        size = str(self.size) if self.kind == "window" else None
        name = self.name if self.kind != "window" or self.name is None else f"@{self.name}"
        said = "".join(part for part in (size, name) if part)
        database = "" if self.database is None else f"@{without_password(self.database)}"
        return self.kind + (f":{said}" if said else "") + database


class Earlier(NamedTuple):
    """A finished session that stored an experiment: what a baseline is chosen among.

    Attributes:
        id_session: its id.
        id_experiment: the experiment's version that it stored; of several, the newest.
        started_at: when it began.
        commit: full hash, or None.
        branch: or None.
        tags: its names.
        is_dirty: whether files differed from the commit: what was measured is not the commit's then.
    """

    id_session: str
    id_experiment: str
    started_at: datetime.datetime
    commit: str | None
    branch: str | None
    tags: tuple[str, ...]
    is_dirty: bool = False


class Selection(NamedTuple):
    """The sessions that a baseline stands for.

    Attributes:
        sessions: the nearest or newest last; more than `size`, because not all of them have every metric.
        size: how many of them are compared with.
        said: which they are, in words; where there are none, why.
        distances: of sessions by id, how many commits they are away from the commit that `said` names.
    """

    sessions: list[Earlier]
    size: int
    said: str
    distances: dict[str, int]


class Here(NamedTuple):
    """Where the session that is judged stands in the history of its repository.

    Attributes:
        commit: its commit, or None.
        branch: its branch, or None.
        base: the branch that its pull request is for, or None.
        default: the repository's main branch, or None.
        ancestry: the ancestors that a baseline is looked for among, or None.
    """

    commit: str | None = None
    branch: str | None = None
    base: str | None = None
    default: str | None = None
    ancestry: Ancestry | None = None


def parse_baseline(spec: str) -> Baseline:
    """Read the spec of a baseline.

    Raises:
        ConfigurationError: it is none.
    """
    rest, database = _split_database(spec.strip())
    kind, colon, name = rest.partition(":")
    name = name.strip()
    if kind in _ALONE and not colon:
        return Baseline(kind, size=AUTO_WINDOW if kind == "auto" else 1, database=database)
    if kind == "window" and colon:
        return _parse_window(spec, name, database)
    if kind in _NAMED and name:
        if kind in ("commit", "session") and not re.fullmatch(rf"[0-9a-fA-F-]{{{_MIN_PREFIX},}}", name):
            message = f"baseline {spec!r}: expected at least {_MIN_PREFIX} hexadecimal digits, found {name!r}"
            raise ConfigurationError(message)
        return Baseline(kind, name, database=database)
    message = f"expected a baseline, {_KINDS}, with @PATH or @URL for another database; found {spec!r}"
    raise ConfigurationError(message)


def _parse_window(spec: str, text: str, database: str | None) -> Baseline:
    size, at, branch = text.partition("@")
    if not size.isdecimal() or int(size) < 1 or bool(at) != bool(branch):
        message = f"baseline {spec!r}: expected window:N or window:N@BRANCH, where N is 1 or more, found {text!r}"
        raise ConfigurationError(message)
    return Baseline("window", branch or None, int(size), database)


def _split_database(spec: str) -> tuple[str, str | None]:
    """Split off the database at the first `@` that a URL or path follows."""
    for found in re.finditer("@", spec):
        rest = spec[found.end() :]
        if _DATABASE.fullmatch(rest):
            return spec[: found.start()], rest
    return spec, None


def look_around(folder: Path, baseline: Baseline, *, commit: str | None, branch: str | None, base: str | None) -> Here:
    """Ask git what a baseline needs to know.

    Args:
        folder: in the repository.
        baseline: what is looked for.
        commit: the session's commit.
        branch: its branch.
        base: the branch that its pull request is for.
    """
    here = Here(commit, branch, base)
    target = base if baseline.kind == "auto" else baseline.name
    if baseline.kind == "merge-base" or (baseline.kind == "auto" and base is not None):
        common = find_merge_base(folder, str(target))
        return here._replace(ancestry=None if common is None else find_ancestors(folder, common))
    if baseline.kind == "auto" and commit is not None:
        return here._replace(ancestry=find_ancestors(folder), default=find_default_branch(folder))
    return here


def select_sessions(baseline: Baseline, here: Here, sessions: Sequence[Earlier]) -> Selection:
    """Choose among the sessions that stored an experiment.

    Args:
        baseline: what is looked for.
        here: where the judged session stands.
        sessions: all others that finished, oldest first.
    """
    return _CHOICES[baseline.kind](baseline, here, sessions)


def _select_auto(baseline: Baseline, here: Here, sessions: Sequence[Earlier]) -> Selection:
    """Choose the nearest ancestors; where git can't tell them, sessions of the branch that they would be on."""
    if here.base is not None:
        found = _at_ancestors(baseline, here, sessions, f"the merge base with {here.base}")
        return found if found.sessions else _of_branches(baseline, (here.base,), sessions, found)
    if here.commit is None:
        return Selection(list(sessions), baseline.size, "newest (no git)", {})
    found = _at_ancestors(baseline, here, sessions, "HEAD")
    if here.ancestry is not None and here.ancestry.is_shallow:
        # What is at HEAD itself says little of the branch, whose earlier commits are unknown.
        return _of_branches(baseline, (here.branch, here.default), sessions, found, "the clone is shallow")
    return found if found.sessions else _of_branches(baseline, (here.branch, here.default), sessions, found)


def _of_branches(
    baseline: Baseline,
    branches: Iterable[str | None],
    sessions: Sequence[Earlier],
    instead_of: Selection,
    why: str | None = None,
) -> Selection:
    """Choose the sessions of the first branch that has some; else what was chosen before."""
    for branch in branches:
        of_branch = [earlier for earlier in sessions if branch is not None and earlier.branch == branch]
        if of_branch:
            of_branch, left_out = _clean(of_branch)
            return Selection(
                of_branch, baseline.size, f"newest of {branch}{left_out}, because {why or instead_of.said}", {}
            )
    return instead_of


def _select_merge_base(baseline: Baseline, here: Here, sessions: Sequence[Earlier]) -> Selection:
    return _at_ancestors(baseline, here, sessions, f"the merge base with {baseline.name}")


def _at_ancestors(baseline: Baseline, here: Here, sessions: Sequence[Earlier], of: str) -> Selection:
    """Choose the sessions at a commit and its ancestors, the nearest last."""
    if here.ancestry is None:
        return Selection([], baseline.size, f"git doesn't know {of}; is it a shallow clone?", {})
    commit, known, is_shallow = here.ancestry
    distances = {earlier.id_session: known[earlier.commit] for earlier in sessions if earlier.commit in known}
    found = [earlier for earlier in sessions if earlier.id_session in distances]
    found.sort(key=lambda earlier: -distances[earlier.id_session])  # stable: at one commit, the newest is the last
    found, left_out = _clean(found)
    said = f"nearest to {of}, {commit[:SHORT]}{left_out}"
    if not found:
        said = f"none is at {of}, {commit[:SHORT]}, or its {len(known) - 1} ancestors"
    if is_shallow:
        said = f"{said}; the clone is shallow"
    return Selection(found, baseline.size, said, distances)


def _clean(sessions: list[Earlier]) -> tuple[list[Earlier], str]:
    """Keep the sessions that measured what was committed, where there are some; and say how many others there are."""
    clean = [earlier for earlier in sessions if not earlier.is_dirty]
    if not clean or len(clean) == len(sessions):
        return sessions, ""
    return clean, f" ({len(sessions) - len(clean)} with uncommitted changes left out)"


def _select_branch(baseline: Baseline, here: Here, sessions: Sequence[Earlier]) -> Selection:
    if baseline.name is None:
        return Selection(list(sessions), baseline.size, "newest", {})
    return _chosen(
        baseline, sessions, lambda earlier: earlier.branch == baseline.name, f"newest of {baseline.name}", _branches
    )


def _branches(earlier: Earlier) -> Iterable[str]:
    return () if earlier.branch is None else (earlier.branch,)


def _select_tag(baseline: Baseline, here: Here, sessions: Sequence[Earlier]) -> Selection:
    return _chosen(
        baseline,
        sessions,
        lambda earlier: baseline.name in earlier.tags,
        f"tagged {baseline.name}",
        lambda earlier: earlier.tags,
    )


def _select_commit(baseline: Baseline, here: Here, sessions: Sequence[Earlier]) -> Selection:
    return _by_prefix(baseline, sessions, lambda earlier: earlier.commit, f"at {str(baseline.name)[:SHORT]}")


def _select_session(baseline: Baseline, here: Here, sessions: Sequence[Earlier]) -> Selection:
    return _by_prefix(baseline, sessions, lambda earlier: earlier.id_session, f"session {baseline.name}")


def _select_best(baseline: Baseline, here: Here, sessions: Sequence[Earlier]) -> Selection:
    return Selection(list(sessions), baseline.size, "best", {})


def _chosen(
    baseline: Baseline,
    sessions: Sequence[Earlier],
    is_meant: Callable[[Earlier], bool],
    said: str,
    names: Callable[[Earlier], Iterable[str]],
) -> Selection:
    found = [earlier for earlier in sessions if is_meant(earlier)]
    if not found and sessions:
        known = {name for earlier in sessions for name in names(earlier)}
        said = f"none is {said.removeprefix('newest ')}; {near(str(baseline.name), known)}"
    return Selection(found, baseline.size, said, {})


def _by_prefix(
    baseline: Baseline, sessions: Sequence[Earlier], identity: Callable[[Earlier], str | None], said: str
) -> Selection:
    prefix = str(baseline.name).lower()
    found = [earlier for earlier in sessions if (identity(earlier) or "").startswith(prefix)]
    meant = sorted({str(identity(earlier)) for earlier in found})
    if len(meant) > 1:
        return Selection([], baseline.size, f"{baseline} is ambiguous: {', '.join(meant[:3])}", {})
    if baseline.kind == "commit":
        found, left_out = _clean(found)
        said += left_out
    return Selection(found, baseline.size, said if found else f"none is {said}", {})


_CHOICES: Final[dict[str, Callable[[Baseline, Here, Sequence[Earlier]], Selection]]] = {
    "auto": _select_auto,
    "last": _select_branch,
    "window": _select_branch,
    "branch": _select_branch,
    "tag": _select_tag,
    "commit": _select_commit,
    "merge-base": _select_merge_base,
    "session": _select_session,
    "best": _select_best,
}
