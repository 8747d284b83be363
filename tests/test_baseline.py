"""Baselines: what a spec means, and which sessions it finds in a repository, whatever state that is in."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from pytest_mltraq.baseline import Baseline, Earlier, Selection, look_around, parse_baseline, select_sessions
from pytest_mltraq.errors import ConfigurationError
from tests.repository import commit, git, make_repository

# -- specs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "baseline"),
    [
        ("auto", Baseline("auto", size=20)),
        ("last", Baseline("last")),
        ("best@other.db", Baseline("best", database="other.db")),
        ("window:30", Baseline("window", size=30)),
        ("window:30@main", Baseline("window", "main", 30)),
        ("window:30@feature/x", Baseline("window", "feature/x", 30)),
        ("window:30@results.sqlite", Baseline("window", None, 30, "results.sqlite")),
        ("window:30@main@/data/results", Baseline("window", "main", 30, "/data/results")),
        ("branch:ann@home", Baseline("branch", "ann@home")),
        ("branch:ann@home@./results", Baseline("branch", "ann@home", database="./results")),
        ("tag:v1.0@postgresql://ann:secret@db/x", Baseline("tag", "v1.0", database="postgresql://ann:secret@db/x")),
        ("commit:0Abc123", Baseline("commit", "0Abc123")),
        ("merge-base:main", Baseline("merge-base", "main")),
        ("session:0199-ab", Baseline("session", "0199-ab")),
    ],
)
def test_a_spec_is_read(spec: str, baseline: Baseline) -> None:
    """Each kind is read, with its name, its size and its database; written again, it has no password."""
    assert parse_baseline(spec) == baseline
    assert str(baseline) == spec.replace("secret", "***")


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("", "expected a baseline, auto, last, best, window:N, .* found ''"),
        ("newest", "found 'newest'"),
        ("last:1", "found 'last:1'"),
        ("branch:", "found 'branch:'"),
        ("last@results", "found 'last@results'"),
        ("window:0", "where N is 1 or more, found '0'"),
        ("window:many", "found 'many'"),
        ("window:3@", "found '3@'"),
        ("commit:main", "expected at least 4 hexadecimal digits, found 'main'"),
        ("session:01", "expected at least 4 hexadecimal digits, found '01'"),
    ],
)
def test_a_wrong_spec_is_refused(spec: str, complaint: str) -> None:
    """The message says what was expected and what was found."""
    with pytest.raises(ConfigurationError, match=complaint):
        parse_baseline(spec)


# -- sessions ----------------------------------------------------------------------------------------------------------


def make_session(at: int, commit: str | None = None, branch: str | None = None, *tags: str) -> Earlier:
    """Make a session that began at some minute."""
    started_at = datetime.datetime(2026, 1, 1, 0, at, tzinfo=datetime.UTC)
    return Earlier(f"{at:08d}-0000", f"experiment {at}", started_at, commit, branch, tags)


def choose(spec: str, sessions: list[Earlier], folder: Path, **here: str | None) -> Selection:
    """Choose sessions as a session in a folder does."""
    baseline = parse_baseline(spec)
    where = look_around(folder, baseline, **{"commit": None, "branch": None, "base": None, **here})
    return select_sessions(baseline, where, sessions)


def minutes(selection: Selection) -> list[int]:
    """Say which sessions were chosen."""
    return [earlier.started_at.minute for earlier in selection.sessions]


STORED = [
    make_session(1, "aaaa1111", "main", "v1"),
    make_session(2, "aaaa2222", "main"),
    make_session(3, "bbbb3333", "dev", "v1", "nightly"),
    make_session(4, None, None),
]


@pytest.mark.parametrize(
    ("spec", "chosen", "said"),
    [
        ("last", [1, 2, 3, 4], "newest"),
        ("window:2", [1, 2, 3, 4], "newest"),
        ("window:2@main", [1, 2], "newest of main"),
        ("branch:dev", [3], "newest of dev"),
        ("branch:mian", [], "none is of mian; did you mean 'main'?"),
        ("tag:v1", [1, 3], "tagged v1"),
        ("tag:v2", [], "none is tagged v2; there are: nightly, v1"),
        ("commit:BBBB", [3], "at BBBB"),
        ("commit:aaaa", [], "commit:aaaa is ambiguous: aaaa1111, aaaa2222"),
        ("commit:cccc", [], "none is at cccc"),
        ("session:00000002", [2], "session 00000002"),
        ("best", [1, 2, 3, 4], "best"),
        ("auto", [1, 2, 3, 4], "newest (no git)"),
        ("merge-base:main", [], "git doesn't know the merge base with main; is it a shallow clone?"),
    ],
)
def test_sessions_are_chosen_by_what_is_stored(spec: str, chosen: list[int], said: str, tmp_path: Path) -> None:
    """What needs no git is found without it; where nothing is found it is said why."""
    selection = choose(spec, STORED, tmp_path)

    assert (minutes(selection), selection.said) == (chosen, said)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository: main has commits 0 to 4, the branch `feature` began at 2 and has one of its own."""
    folder = make_repository(tmp_path / "origin")
    for number in range(3):
        commit(folder, f"main {number}")
    git(folder, "branch", "feature")
    for number in (3, 4):
        commit(folder, f"main {number}")
    git(folder, "checkout", "feature")
    commit(folder, "feature")
    return folder


def hash_of(repository: Path, revision: str) -> str:
    """Return the full hash of a revision."""
    return git(repository, "rev-parse", revision)


def test_ancestors_are_chosen_nearest_last(repository: Path) -> None:
    """A session that began late at an old commit is far away; one of a commit that is no ancestor doesn't count."""
    sessions = [
        make_session(1, hash_of(repository, "main~2"), "main"),
        make_session(2, hash_of(repository, "main~3"), "main"),
        make_session(3, hash_of(repository, "main"), "main"),
        make_session(4, hash_of(repository, "main~2"), "main"),
        make_session(5, hash_of(repository, "feature"), "feature"),
    ]
    base = hash_of(repository, "main~2")[:7]

    request = choose("auto", sessions, repository, commit=hash_of(repository, "feature"), base="main")
    assert (minutes(request), request.said) == ([2, 1, 4], f"nearest to the merge base with main, {base}")
    assert [request.distances[earlier.id_session] for earlier in request.sessions] == [1, 0, 0]
    assert request.size == 20

    named = choose("merge-base:main", sessions, repository)
    assert (minutes(named), named.size) == ([2, 1, 4], 1)

    local = choose("auto", sessions, repository, commit=hash_of(repository, "feature"), branch="feature")
    head = hash_of(repository, "feature")[:7]
    assert (minutes(local), local.said) == ([2, 1, 4, 5], f"nearest to HEAD, {head}")

    rebased = choose("auto", sessions[2:3], repository, commit=hash_of(repository, "feature"), branch="main")
    assert (minutes(rebased), rebased.said) == (
        [3],
        f"newest of main, because none is at HEAD, {head}, or its 3 ancestors",
    )

    nowhere = choose("merge-base:main", sessions[2:3], repository)
    assert (minutes(nowhere), nowhere.said) == ([], f"none is at the merge base with main, {base}, or its 2 ancestors")


@pytest.mark.parametrize(
    ("spec", "expected", "said"),
    [
        ("auto", [1], "nearest to HEAD, {head} (1 with uncommitted changes left out)"),
        ("merge-base:main", [1], "nearest to the merge base with main, {head} (1 with uncommitted changes left out)"),
        ("commit:{head}", [1], "at {head} (1 with uncommitted changes left out)"),
        ("last", [1, 2], "newest"),
        ("branch:main", [1, 2], "newest of main"),
    ],
)
def test_what_was_not_committed_is_no_commits_baseline(
    spec: str, expected: list[int], said: str, repository: Path
) -> None:
    """Where the spec speaks of commits, sessions with uncommitted changes count only where there are no others."""
    git(repository, "checkout", "main")
    full = hash_of(repository, "main")
    head = full[:7]
    clean, dirty = make_session(1, full, "main"), make_session(2, full, "main")._replace(is_dirty=True)

    chosen = choose(spec.format(head=head), [clean, dirty], repository, commit=full, branch="main")
    assert (minutes(chosen), chosen.said) == (expected, said.format(head=head))

    alone = choose(spec.format(head=head), [dirty], repository, commit=full, branch="main")
    assert (minutes(alone), "left out" in alone.said) == ([2], False)


def test_a_clone_knows_the_branches_of_its_origin(repository: Path, tmp_path: Path) -> None:
    """In CI the target's branch is there as the remote's only, and the head is detached."""
    git(tmp_path, "clone", str(repository), "clone")
    clone = tmp_path / "clone"
    git(clone, "checkout", "--detach", "HEAD")
    git(clone, "branch", "--delete", "--force", "feature")
    at_base = make_session(1, hash_of(repository, "main~2"), "main")

    assert minutes(choose("merge-base:main", [at_base], clone)) == [1]


def test_a_shallow_clone_compares_with_the_branch(repository: Path, tmp_path: Path) -> None:
    """Where git can't tell ancestors, sessions of the branch are taken, and it is said that this is so, and why."""
    git(tmp_path, "clone", "--depth=1", f"file://{repository}", "clone")
    clone = tmp_path / "clone"
    head = hash_of(repository, "feature")
    sessions = [make_session(1, "1" * 40, "main"), make_session(2, "2" * 40, "feature"), make_session(3, head, "other")]

    request = choose("auto", sessions, clone, commit=head, branch="feature", base="main")
    assert (minutes(request), request.said) == (
        [1],
        "newest of main, because git doesn't know the merge base with main; is it a shallow clone?",
    )
    pushed = choose("auto", sessions, clone, commit=head, branch="feature")
    assert (minutes(pushed), pushed.said) == (
        [2],
        "newest of feature, because the clone is shallow",
    )
    assert minutes(choose("auto", sessions[:1], clone, commit=head, branch="gone")) == []
    named = choose("merge-base:main", sessions, clone)
    assert (minutes(named), named.said) == ([], "git doesn't know the merge base with main; is it a shallow clone?")
