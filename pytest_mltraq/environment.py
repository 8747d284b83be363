"""Where a session ran: commit, CI job, interpreter, host, packages."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

GIT_TIMEOUT_S: Final = 5.0
"""How long git may take; one that hangs (a lock, a network folder) must not keep a test session waiting."""


class Revision(NamedTuple):
    """What git says of a folder.

    Attributes:
        commit: full hash; None before the first commit, or without git.
        branch: None where the head is detached and CI doesn't say.
        dirty: whether tracked files differ from the commit.
    """

    commit: str | None = None
    branch: str | None = None
    dirty: bool | None = None


class Environment(NamedTuple):
    """Where a session ran.

    Attributes:
        revision: the commit of the folder.
        ci: provider, job and pull request, or None outside of CI.
        python: version of the interpreter.
        platform: operating system and architecture.
        host: the machine's name.
        packages: installed distributions and their versions.
        command: the command line, without secrets.
    """

    revision: Revision
    ci: dict[str, str] | None
    python: str
    platform: str
    host: str
    packages: dict[str, str]
    command: str


class Provider(NamedTuple):
    """The documented variables of a CI provider; `{NAME}` is the value of a variable."""

    name: str
    marker: str
    job: str
    pull_request: str
    branch: str
    commit: str


PROVIDERS: Final = (
    Provider(
        "github",
        "GITHUB_ACTIONS",
        "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}",
        "{GITHUB_REF}",
        "{GITHUB_HEAD_REF}|{GITHUB_REF}",
        "{GITHUB_SHA}",
    ),
    Provider(
        "gitlab",
        "GITLAB_CI",
        "{CI_JOB_URL}",
        "{CI_MERGE_REQUEST_IID}",
        "{CI_MERGE_REQUEST_SOURCE_BRANCH_NAME}|{CI_COMMIT_BRANCH}|{CI_COMMIT_REF_NAME}",
        "{CI_COMMIT_SHA}",
    ),
    Provider("jenkins", "JENKINS_URL", "{BUILD_URL}", "{CHANGE_ID}", "{CHANGE_BRANCH}|{BRANCH_NAME}", "{GIT_COMMIT}"),
    Provider("circleci", "CIRCLECI", "{CIRCLE_BUILD_URL}", "{CIRCLE_PULL_REQUEST}", "{CIRCLE_BRANCH}", "{CIRCLE_SHA1}"),
    Provider(
        "buildkite",
        "BUILDKITE",
        "{BUILDKITE_BUILD_URL}#{BUILDKITE_JOB_ID}",
        "{BUILDKITE_PULL_REQUEST}",
        "{BUILDKITE_BRANCH}",
        "{BUILDKITE_COMMIT}",
    ),
    Provider(
        "azure",
        "TF_BUILD",
        "{SYSTEM_COLLECTIONURI}{SYSTEM_TEAMPROJECT}/_build/results?buildId={BUILD_BUILDID}",
        "{SYSTEM_PULLREQUEST_PULLREQUESTID}",
        "{SYSTEM_PULLREQUEST_SOURCEBRANCH}|{BUILD_SOURCEBRANCH}",
        "{BUILD_SOURCEVERSION}",
    ),
)

_DIST_INFO: Final = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)\.dist-info")
_PULL_REQUEST: Final = re.compile(r"(?:^|refs/pull/|/pull/|/pull-requests/)(\d+)(?:/merge|/head)?$")
_BRANCH: Final = re.compile(r"(?:refs/heads/)?(?!refs/)(.+)")
_SECRET_NAME: Final = re.compile(r"pass|secret|token|key|credential|auth", re.IGNORECASE)
_URL_PASSWORD: Final = re.compile(r"(\w[\w+.-]*://[^\s/:@?]*):(?!\d+/)\S*@")
_QUERY_PASSWORD: Final = re.compile(r"([?&][\w.-]*(?:pass|secret|token)[\w.-]*=)[^\s&#]*", re.IGNORECASE)


def capture(folder: Path, arguments: Sequence[str], variables: Mapping[str, str] = os.environ) -> Environment:
    """Look at the environment.

    Args:
        folder: whose commit is meant.
        arguments: the command line.
        variables: environment variables; only the documented ones of CI providers are read.
    """
    provider = next((known for known in PROVIDERS if variables.get(known.marker)), None)
    return Environment(
        _with_ci(git_revision(folder), provider, variables),
        None if provider is None else _ci(provider, variables),
        platform.python_version(),
        platform.platform(),
        platform.node(),
        installed_packages(sys.path),
        without_secrets(arguments),
    )


def installed_packages(folders: Iterable[str]) -> dict[str, str]:
    """Return the installed distributions and their versions, by name.

    They are read off the names of their `.dist-info` folders (Binary distribution format, "The .dist-info directory"):
    `importlib.metadata` parses every METADATA file, which takes a hundred times as long.

    Args:
        folders: where packages are imported from, such as `sys.path`; earlier ones hide later ones.
    """
    found: dict[str, str] = {}
    for folder in folders:
        with contextlib.suppress(OSError), os.scandir(folder or ".") as entries:
            for entry in entries:
                if match := _DIST_INFO.fullmatch(entry.name):
                    found.setdefault(match["name"].replace("_", "-").lower(), match["version"])
    return dict(sorted(found.items()))


def git_revision(folder: Path) -> Revision:
    """Ask git for the commit, branch and state of a folder, in one call.

    Files that git doesn't track don't make it dirty: a database of results often lies there.
    """
    command = ["git", "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed command
            command,
            cwd=folder,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=True,
        ).stdout.splitlines()
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return Revision()
    heads = {name: value for name, _, value in (line[2:].partition(" ") for line in answer if line.startswith("# "))}
    commit, branch = heads.get("branch.oid"), heads.get("branch.head")
    return Revision(
        None if commit == "(initial)" else commit or None,
        None if branch == "(detached)" else branch or None,
        any(not line.startswith("#") for line in answer),
    )


def without_secrets(arguments: Sequence[str]) -> str:
    """Write a command line without passwords in URLs and without the values of options that are named like secrets."""
    safe, secret = [], False
    for argument in arguments:
        name, equals, _ = argument.rpartition("=")
        if secret:
            safe.append("***")
        elif equals and _SECRET_NAME.search(name):
            safe.append(f"{name}=***")
        else:
            safe.append(without_password(argument))
        secret = not equals and not secret and argument.startswith("-") and bool(_SECRET_NAME.search(argument))
    return shlex.join(safe)


def without_password(text: str) -> str:
    """Replace the passwords of URLs in a text, before the host and in the query.

    Example:
        >>> without_password("postgresql://ann:secret@db/x?sslpassword=secret")
        'postgresql://ann:***@db/x?sslpassword=***'
    """
    return _QUERY_PASSWORD.sub(r"\1***", _URL_PASSWORD.sub(r"\1:***@", text))


def _with_ci(revision: Revision, provider: Provider | None, variables: Mapping[str, str]) -> Revision:
    """Fill in what git doesn't know in a CI job: the branch of a detached head, the commit of an exported tree."""
    if provider is None:
        return revision
    named = (_BRANCH.fullmatch(_fill(name, variables) or "") for name in provider.branch.split("|"))
    branch = revision.branch or next((found[1] for found in named if found), None)
    return revision._replace(branch=branch, commit=revision.commit or _fill(provider.commit, variables))


def _ci(provider: Provider, variables: Mapping[str, str]) -> dict[str, str]:
    found = {"provider": provider.name, "job": _fill(provider.job, variables)}
    request = _PULL_REQUEST.search(_fill(provider.pull_request, variables) or "")
    if request:
        found["pull_request"] = request[1]
    return {name: without_password(value) for name, value in found.items() if value}


def _fill(template: str, variables: Mapping[str, str]) -> str | None:
    """Fill a template in; None where one of its variables is missing or empty."""
    names = re.findall(r"{(\w+)}", template)
    if not all(variables.get(name) for name in names):
        return None
    return template.format_map(variables)
