"""Where a session ran: commit, CI job, host, packages, and a command line without secrets."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path

import pytest

from pytest_mltraq import environment
from pytest_mltraq.bunch import Bunch
from pytest_mltraq.environment import Revision, capture, git_revision, hide_secrets, without_secrets
from pytest_mltraq.git import find_ancestors
from pytest_mltraq.passwords import without_password
from tests.exact import same
from tests.repository import git, make_repository


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit, on the branch `main`."""
    folder = make_repository(tmp_path / "repository")
    (folder / "model.py").write_text("depth = 1\n")
    git(folder, "add", "model.py")
    git(folder, "commit", "--message=first")
    return folder


@pytest.fixture(autouse=True)
def _no_repository_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)


# -- git ---------------------------------------------------------------------------------------------------------------


def test_a_clean_repository_has_commit_and_branch(repository: Path) -> None:
    """The commit is the full hash, the branch its name."""
    revision = git_revision(repository)

    assert revision == Revision(git(repository, "rev-parse", "HEAD"), "main", dirty=False)


def test_a_folder_inside_of_a_repository_has_its_commit(repository: Path) -> None:
    """Any folder in the working tree will do."""
    inner = repository / "tests" / "unit"
    inner.mkdir(parents=True)

    assert git_revision(inner) == git_revision(repository)
    (repository.parent / "link").symlink_to(inner)
    assert git_revision(repository.parent / "link") == git_revision(repository)


def test_a_changed_file_makes_it_dirty(repository: Path) -> None:
    """A tracked file that differs from the commit is noticed."""
    (repository / "model.py").write_text("depth = 2\n")

    assert git_revision(repository).dirty is True


def test_a_changed_file_outside_of_the_folder_makes_it_dirty(repository: Path) -> None:
    """The whole working tree counts."""
    (repository / "tests").mkdir()
    (repository / "model.py").write_text("depth = 2\n")

    assert git_revision(repository / "tests").dirty is True


@pytest.mark.parametrize("change", ["staged", "deleted", "renamed"])
def test_other_changes_make_it_dirty(repository: Path, change: str) -> None:
    """What is staged, deleted or renamed is a change too."""
    match change:
        case "staged":
            (repository / "new.py").write_text("")
            git(repository, "add", "new.py")
        case "deleted":
            (repository / "model.py").unlink()
        case _:
            git(repository, "mv", "model.py", "other.py")

    assert git_revision(repository).dirty is True


def test_an_untracked_file_does_not_make_it_dirty(repository: Path) -> None:
    """The database of the results often lies in the working tree."""
    (repository / "results.db").write_text("")

    assert git_revision(repository).dirty is False


@pytest.mark.parametrize("branch", ["feature/new-model", "größe", "a#b"])
def test_a_branch_may_have_any_name(repository: Path, branch: str) -> None:
    """The whole name is kept."""
    git(repository, "switch", "--create", branch)

    assert git_revision(repository).branch == branch


def test_a_branch_that_follows_another_has_its_own_name(repository: Path, tmp_path: Path) -> None:
    """A branch with an upstream is the branch, not the upstream."""
    git(tmp_path, "clone", str(repository), "clone")
    git(tmp_path / "clone", "switch", "--create", "topic", "--track", "origin/main")

    assert git_revision(tmp_path / "clone").branch == "topic"


def test_a_detached_head_has_no_branch(repository: Path) -> None:
    """A commit that was checked out by its hash is on no branch."""
    commit = git(repository, "rev-parse", "HEAD")
    git(repository, "checkout", "--detach")

    assert git_revision(repository) == Revision(commit, None, dirty=False)


def test_a_repository_without_a_commit_has_a_branch_only(tmp_path: Path) -> None:
    """Before the first commit there is no hash."""
    git(tmp_path, "init", "--initial-branch=main")

    assert git_revision(tmp_path) == Revision(None, "main", dirty=False)


def test_a_folder_without_a_repository_has_no_revision(tmp_path: Path) -> None:
    """Outside of git nothing is known, and nothing fails."""
    assert git_revision(tmp_path) == Revision()


def test_a_repository_may_be_named(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder need not be inside of it."""
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))

    assert git_revision(tmp_path).commit == git(repository, "rev-parse", "HEAD")


def test_without_a_repository_no_process_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many programs track where there is none."""
    _put_on_path(monkeypatch, tmp_path / "bin", f"echo asked > {tmp_path}/asked")

    assert git_revision(tmp_path) == Revision()
    assert find_ancestors(tmp_path) is None
    assert not (tmp_path / "asked").exists()
    (tmp_path / ".git").mkdir()
    git_revision(tmp_path)
    assert (tmp_path / "asked").exists()


def test_a_machine_without_git_has_no_revision(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git need not be installed."""
    monkeypatch.setenv("PATH", str(tmp_path))

    assert git_revision(repository) == Revision()


def test_a_folder_that_is_gone_has_no_revision(tmp_path: Path) -> None:
    """A folder that was removed fails nothing."""
    assert git_revision(tmp_path / "gone") == Revision()


def test_a_shallow_clone_has_its_commit(repository: Path, tmp_path: Path) -> None:
    """CI clones one commit only."""
    (repository / "model.py").write_text("depth = 2\n")
    git(repository, "commit", "--all", "--message=second")
    git(tmp_path, "clone", "--depth=1", repository.as_uri(), "clone")

    revision = git_revision(tmp_path / "clone")

    assert revision == Revision(git(repository, "rev-parse", "HEAD"), "main", dirty=False)


def test_looking_changes_nothing_in_the_repository(repository: Path) -> None:
    """Git's index, which other processes may lock, is not written."""
    before = (repository / ".git" / "index").read_bytes()
    os.utime(repository / "model.py", (0, 0))

    git_revision(repository)

    assert (repository / ".git" / "index").read_bytes() == before


def _put_on_path(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    folder.mkdir()
    program = folder / "git"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_a_git_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the timeout git is ended, and the session goes on without its answer."""
    (tmp_path / ".git").mkdir()
    _put_on_path(monkeypatch, tmp_path / "bin", f"echo $$ > {tmp_path}/pid\nexec /bin/sleep 600")
    monkeypatch.setattr("pytest_mltraq.git.GIT_TIMEOUT_S", 0.5)

    revision = git_revision(tmp_path)

    assert revision == Revision()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize(
    "script", ["exit 1", "kill -9 $$", "printf '\\377\\376'", "echo unexpected", "echo '# branch.oid'", "true"]
)
def test_a_git_that_answers_nonsense_fails_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """Whatever git answers, a session begins, and no commit is made up."""
    (tmp_path / ".git").mkdir()
    _put_on_path(monkeypatch, tmp_path / "bin", script)

    assert git_revision(tmp_path).commit is None


# -- CI ----------------------------------------------------------------------------------------------------------------

HASH = "ffac537e6cbbf934b08745a378932722df287a53"
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "ann/iris",
    "GITHUB_RUN_ID": "1658821493",
    "GITHUB_SHA": HASH,
}
GITLAB = {"GITLAB_CI": "true", "CI_JOB_URL": "https://gitlab.com/ann/iris/-/jobs/7", "CI_COMMIT_SHA": HASH}
JENKINS = {
    "JENKINS_URL": "https://ci.example.org/",
    "BUILD_URL": "https://ci.example.org/job/iris/7/",
    "GIT_COMMIT": HASH,
}
CIRCLECI = {"CIRCLECI": "true", "CIRCLE_BUILD_URL": "https://circleci.com/gh/ann/iris/7", "CIRCLE_SHA1": HASH}
BUILDKITE = {
    "BUILDKITE": "true",
    "BUILDKITE_BUILD_URL": "https://buildkite.com/ann/iris/builds/7",
    "BUILDKITE_JOB_ID": "e44f9784",
    "BUILDKITE_COMMIT": HASH,
}
AZURE = {
    "TF_BUILD": "True",
    "SYSTEM_COLLECTIONURI": "https://dev.azure.com/ann/",
    "SYSTEM_TEAMPROJECT": "iris",
    "BUILD_BUILDID": "7",
    "BUILD_SOURCEVERSION": HASH,
}

PUSHES = {
    "github": {**GITHUB, "GITHUB_REF": "refs/heads/feature/x", "GITHUB_REF_NAME": "feature/x", "GITHUB_HEAD_REF": ""},
    "gitlab": {**GITLAB, "CI_COMMIT_REF_NAME": "feature/x"},
    "jenkins": {**JENKINS, "BRANCH_NAME": "feature/x"},
    "circleci": {**CIRCLECI, "CIRCLE_BRANCH": "feature/x"},
    "buildkite": {**BUILDKITE, "BUILDKITE_BRANCH": "feature/x", "BUILDKITE_PULL_REQUEST": "false"},
    "azure": {**AZURE, "BUILD_SOURCEBRANCH": "refs/heads/feature/x", "BUILD_SOURCEBRANCHNAME": "x"},
}
REQUESTS = {
    "github": {
        **GITHUB,
        "GITHUB_REF": "refs/pull/12/merge",
        "GITHUB_REF_NAME": "12/merge",
        "GITHUB_HEAD_REF": "feature/x",
        "GITHUB_BASE_REF": "main",
    },
    "gitlab": {
        **GITLAB,
        "CI_MERGE_REQUEST_IID": "12",
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature/x",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "CI_COMMIT_REF_NAME": "refs/merge-requests/12/head",
    },
    "jenkins": {
        **JENKINS,
        "BRANCH_NAME": "PR-12",
        "CHANGE_ID": "12",
        "CHANGE_BRANCH": "feature/x",
        "CHANGE_TARGET": "main",
    },
    "circleci": {
        **CIRCLECI,
        "CIRCLE_BRANCH": "feature/x",
        "CIRCLE_PULL_REQUEST": "https://github.com/ann/iris/pull/12",
    },
    "buildkite": {
        **BUILDKITE,
        "BUILDKITE_BRANCH": "feature/x",
        "BUILDKITE_PULL_REQUEST": "12",
        "BUILDKITE_PULL_REQUEST_BASE_BRANCH": "main",
    },
    "azure": {
        **AZURE,
        "BUILD_SOURCEBRANCH": "refs/pull/12/merge",
        "BUILD_SOURCEBRANCHNAME": "merge",
        "SYSTEM_PULLREQUEST_PULLREQUESTID": "12",
        "SYSTEM_PULLREQUEST_SOURCEBRANCH": "refs/heads/feature/x",
        "SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/main",
    },
}
HEAD = "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"
"""The newest commit of a pull request, of which CI checked out a merge."""
HEADS = {
    "gitlab": {"CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": HEAD},
    "jenkins": {"ghprbActualCommit": HEAD},
    "azure": {"SYSTEM_PULLREQUEST_SOURCECOMMITID": HEAD},
}
JOBS = {
    "github": "https://github.com/ann/iris/actions/runs/1658821493",
    "gitlab": "https://gitlab.com/ann/iris/-/jobs/7",
    "jenkins": "https://ci.example.org/job/iris/7/",
    "circleci": "https://circleci.com/gh/ann/iris/7",
    "buildkite": "https://buildkite.com/ann/iris/builds/7#e44f9784",
    "azure": "https://dev.azure.com/ann/iris/_build/results?buildId=7",
}


@pytest.mark.parametrize("provider", PUSHES)
def test_a_push_has_provider_and_job(tmp_path: Path, provider: str) -> None:
    """The job's page is known from the provider's documented variables, and no pull request is."""
    found = capture(tmp_path, [], PUSHES[provider])

    assert found.ci == {"provider": provider, "job": JOBS[provider]}


@pytest.mark.parametrize("provider", REQUESTS)
def test_a_pull_request_has_its_number_and_the_branch_that_it_is_for(tmp_path: Path, provider: str) -> None:
    """What a pull request is compared with is known, where the provider says it; CircleCI doesn't."""
    found = capture(tmp_path, [], REQUESTS[provider])

    base = {} if provider == "circleci" else {"base": "main"}
    assert found.ci == {"provider": provider, "job": JOBS[provider], "pull_request": "12", **base}


@pytest.mark.parametrize("provider", HEADS)
def test_the_commit_of_a_pull_request_is_the_one_that_was_pushed(repository: Path, provider: str) -> None:
    """CI checks out a merge that nobody can find afterwards; the run belongs to the commit that was pushed."""
    found = capture(repository, [], REQUESTS[provider] | HEADS[provider])

    assert found.revision.commit == HEAD


def test_the_commit_of_a_pull_request_on_github_is_that_of_the_event(repository: Path, tmp_path: Path) -> None:
    """GitHub says it in no variable, but in the file of the event."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"head": {"sha": HEAD}}}))

    found = capture(repository, [], {**REQUESTS["github"], "GITHUB_EVENT_PATH": str(event)})

    assert found.revision.commit == HEAD


@pytest.mark.parametrize("content", [None, "", "[]", '{"pull_request": {}}', '{"pull_request": null}'])
def test_without_the_event_the_commit_is_what_is_checked_out(
    repository: Path, tmp_path: Path, content: str | None
) -> None:
    """A file that is missing or says something else fails nothing."""
    event = tmp_path / "event.json"
    if content is not None:
        event.write_text(content)

    found = capture(repository, [], {**REQUESTS["github"], "GITHUB_EVENT_PATH": str(event)})

    assert found.revision.commit == git(repository, "rev-parse", "HEAD")


def test_a_push_has_the_commit_that_is_checked_out(repository: Path) -> None:
    """A commit that the job was started for earlier is not the one that ran."""
    found = capture(repository, [], PUSHES["gitlab"] | HEADS["gitlab"])

    assert found.revision.commit == git(repository, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("provider", "variables"),
    [
        ("jenkins", {"ghprbPullId": "12", "ghprbSourceBranch": "feature/x", "ghprbTargetBranch": "main"}),
        ("circleci", {"CIRCLE_PR_NUMBER": "12", "CIRCLE_BRANCH": "pull/12"}),
        ("azure", {"SYSTEM_PULLREQUEST_PULLREQUESTNUMBER": "12", "SYSTEM_PULLREQUEST_PULLREQUESTID": "9000"}),
    ],
)
def test_the_other_variables_of_a_provider_name_the_pull_request_too(
    tmp_path: Path, provider: str, variables: dict[str, str]
) -> None:
    """Jenkins' two plugins, CircleCI's forks and Azure's repositories on GitHub each have their own."""
    marker = next(known.marker for known in environment.PROVIDERS if known.name == provider)

    found = capture(tmp_path, [], {marker: "true", **variables})

    assert found.ci is not None
    assert found.ci["pull_request"] == "12"


@pytest.mark.parametrize("variables", [PUSHES, REQUESTS], ids=["push", "pull request"])
@pytest.mark.parametrize("provider", PUSHES)
def test_the_branch_of_a_detached_head_is_what_ci_says(
    repository: Path, provider: str, variables: dict[str, dict[str, str]]
) -> None:
    """CI checks a commit out by its hash; the branch is the one that was pushed, or that the request is about."""
    git(repository, "checkout", "--detach")

    found = capture(repository, [], variables[provider])

    assert found.revision.branch == "feature/x"
    assert found.revision.commit == git(repository, "rev-parse", "HEAD")


@pytest.mark.parametrize("provider", PUSHES)
def test_the_commit_of_an_exported_tree_is_what_ci_says(tmp_path: Path, provider: str) -> None:
    """Where there is no repository, CI's commit is taken."""
    found = capture(tmp_path, [], PUSHES[provider])

    assert found.revision == Revision(HASH, "feature/x", None)


def test_the_branch_that_git_knows_is_the_branch(repository: Path) -> None:
    """What is checked out counts more than what CI says."""
    assert capture(repository, [], PUSHES["github"]).revision.branch == "main"


def test_a_branch_that_ends_in_a_number_is_no_pull_request(tmp_path: Path) -> None:
    """`release/2026` on GitHub is a branch."""
    push = {**GITHUB, "GITHUB_REF": "refs/heads/release/2026", "GITHUB_REF_NAME": "release/2026"}

    found = capture(tmp_path, [], push)

    assert found.ci is not None
    assert "pull_request" not in found.ci


def test_a_tag_is_no_branch(tmp_path: Path) -> None:
    """A job for a tag on GitHub has no branch, so that it is never taken for the newest of a branch of that name."""
    push = {**GITHUB, "GITHUB_REF": "refs/tags/v1", "GITHUB_REF_NAME": "v1", "GITHUB_REF_TYPE": "tag"}

    assert capture(tmp_path, [], push).revision.branch is None


def test_outside_of_ci_there_is_no_job(tmp_path: Path) -> None:
    """A developer's machine has no CI, whatever else is set there."""
    assert capture(tmp_path, [], {"CI_JOB_URL": "x", "GITHUB_SHA": HASH, "GITLAB_CI": ""}).ci is None


@pytest.mark.parametrize("provider", PUSHES)
def test_missing_variables_are_left_out(tmp_path: Path, provider: str) -> None:
    """A provider that sets its marker only is named, and nothing is made up."""
    marker = next(known.marker for known in environment.PROVIDERS if known.name == provider)

    assert capture(tmp_path, [], {marker: "true"}).ci == {"provider": provider}


def test_a_password_in_a_variable_of_ci_is_hidden(tmp_path: Path) -> None:
    """A job's URL is stored without its password."""
    found = capture(tmp_path, [], {"JENKINS_URL": "x", "BUILD_URL": "https://ann:s3cret@ci.example.org/7"})

    assert found.ci == {"provider": "jenkins", "job": "https://ann:***@ci.example.org/7"}


def test_no_other_variable_is_kept(tmp_path: Path) -> None:
    """Environment variables hold secrets: nothing but the documented ones is read."""
    found = capture(tmp_path, [], {**PUSHES["github"], "AWS_SECRET_ACCESS_KEY": "s3cret", "GITHUB_TOKEN": "s3cret"})

    assert "s3cret" not in str(found)


# -- interpreter, host, packages ---------------------------------------------------------------------------------------


def test_the_interpreter_and_the_machine_are_known(tmp_path: Path) -> None:
    """Python's version, the platform and the host's name are what Python says."""
    found = capture(tmp_path, [])

    assert (found.python, found.platform, found.host) == (
        platform.python_version(),
        platform.platform(),
        platform.node(),
    )


def test_packages_are_those_that_are_installed(tmp_path: Path) -> None:
    """Each installed distribution has its version, in the order of the alphabet."""
    packages = capture(tmp_path, []).packages

    assert packages["pytest"] == importlib.metadata.version("pytest")
    assert list(packages) == sorted(packages)


def test_a_damaged_installation_fails_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution without metadata is left out."""
    (tmp_path / "damaged-1.0.dist-info").mkdir()
    (tmp_path / "good-1.0.dist-info").mkdir()
    (tmp_path / "good-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: good\nVersion: 1.0\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])

    assert capture(tmp_path, []).packages["good"] == "1.0"


def test_the_package_that_is_imported_first_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a package that is installed twice, the version is that of the one which Python imports."""
    for version, folder in (("2.0", tmp_path / "first"), ("1.0", tmp_path / "second")):
        (folder / f"twice-{version}.dist-info").mkdir(parents=True)
        (folder / f"twice-{version}.dist-info" / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: twice\nVersion: {version}\n"
        )
    monkeypatch.setattr(sys, "path", [str(tmp_path / "first"), str(tmp_path / "second")])

    assert capture(tmp_path, []).packages["twice"] == "2.0"


# -- the command line --------------------------------------------------------------------------------------------------


def test_a_command_line_can_be_pasted_into_a_shell() -> None:
    """Arguments with spaces are quoted."""
    assert without_secrets(["pytest", "-k", "tree and seed:0", "tests"]) == "pytest -k 'tree and seed:0' tests"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--mltraq-db=postgresql://ann:s3cret@db/iris"],
        ["--mltraq-db", "postgresql://ann:s3cret@db/iris"],
        ["-o", "mltraq_db=postgresql+psycopg://ann:s3cret@db/iris"],
        ["postgresql://:s3cret@db/iris"],
        ["postgresql://ann:s3cret@db/iris", "postgresql://bob:s3cret@db/iris"],
        ["--mltraq-db=postgresql://ann:pre/s3cret@db/iris"],
        ["--mltraq-db=postgresql://db/iris?user=ann&password=s3cret"],
        ["--mltraq-baseline=last@postgresql://ann:s3cret@db/iris"],
        ["--password=s3cret"],
        ["--password", "s3cret"],
        ["--db-PASSWORD", "s3cret"],
        ["--api-key=s3cret"],
        ["--token", "s3cret"],
        ["--token", "--s3cret"],
        ["API_KEY=s3cret"],
        ["--mltraq-config", "api_key=s3cret"],
        ["--mltraq-config=api_key=s3cret"],
        ["--client-secret", "s3cret", "--token", "s3cret"],
        ["--auth=ann:s3cret"],
        ["--mltraq-config", "hub={'user': 'ann', 'password': 's3cret', 'retries': 3}"],
        ['--mltraq-config=hub={\'deep\': [{"api_key": "it\'s s3cret"}]}'],
        ["--headers={token: s3cret}"],
    ],
    ids=" ".join,
)
def test_a_secret_in_the_command_line_is_hidden(arguments: list[str]) -> None:
    """Passwords in URLs, and the values of options that are named like secrets, are not kept."""
    command = without_secrets(["pytest", *arguments, "tests"])

    assert "s3cret" not in command
    assert "***" in command
    assert command.endswith(" tests")


@pytest.mark.parametrize(
    "arguments",
    [
        "pytest -x -k tree tests",
        "pytest --mltraq-db=results.db",
        "pytest --maxfail=1 --lf",
        "pytest http://host:80/x@y",
        "pytest --mltraq-config=max_tokens:5,tokenizer:bpe",
        "pytest tests/test_token.py::test_secret",
    ],
)
def test_a_command_line_without_secrets_is_kept(arguments: str) -> None:
    """What is no secret stays as it is."""
    assert without_secrets(arguments.split()) == arguments


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://ann:secret@db/x", "postgresql://ann:***@db/x"),
        ("can't reach postgresql://ann:secret@db/x: timeout", "can't reach postgresql://ann:***@db/x: timeout"),
        ("postgresql://ann@db/x", "postgresql://ann@db/x"),
        ("sqlite:///results.db", "sqlite:///results.db"),
        ("ann:secret", "ann:secret"),
    ],
)
def test_passwords_of_urls_are_hidden_in_any_text(text: str, shown: str) -> None:
    """Only the password is replaced, and only in a URL."""
    assert without_password(text) == shown


def test_secrets_in_config_are_hidden_however_deep() -> None:
    """In dicts in lists in dicts; what is no secret stays what it is."""
    config = Bunch(
        hub=Bunch(user="ann", password="s3cret", options=({"api_key": "s3cret"}, 3)),  # noqa: S106
        mirrors=["https://ann:s3cret@mirror/x", "https://mirror/y"],
        model={"tokenizer": "bpe", 5: "five", "max_tokens": 5},
        weights=[0.5, None],
    )

    hidden = hide_secrets(config)

    assert same(
        hidden,
        {
            "hub": Bunch(user="ann", password="***", options=({"api_key": "***"}, 3)),  # noqa: S106
            "mirrors": ["https://ann:***@mirror/x", "https://mirror/y"],
            "model": {"tokenizer": "bpe", 5: "five", "max_tokens": 5},
            "weights": [0.5, None],
        },
    )
