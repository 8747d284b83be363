"""Where a session ran: commit, CI job, interpreter, host, packages."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from pytest_mltraq.bunch import Bunch, FrozenBunch
from pytest_mltraq.git import ask_repository
from pytest_mltraq.passwords import without_password


class Revision(NamedTuple):
    """What git says of a folder.

    Attributes:
        commit: full hash; None before the first commit, or without git. In a job for a pull request it is the newest commit
            of that.
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
        ci: provider, job, and of a pull request its number (`pull_request`) and the branch that it is for (`base`); None
            outside of CI.
        python: version of the interpreter.
        platform: operating system and architecture.
        host: the machine's name.
        packages: installed distributions and their versions.
        command: the command line, without secrets.
        process: what tells this process from every other one: see `identify_process`.
    """

    revision: Revision
    ci: dict[str, str] | None
    python: str
    platform: str
    host: str
    packages: dict[str, str]
    command: str
    process: str | None = None


class Provider(NamedTuple):
    """The documented variables of a CI provider.

    Each text is a template, in which `{NAME}` is the value of a variable; of several, separated by `|`, the first whose
    variables are all set counts.

    Attributes:
        name: what it is called in records.
        marker: the variable that says that this is a job of it.
        job: the job's page.
        pull_request: what has the pull request's number at its end.
        branch: the branch that was pushed, or that the pull request is about.
        commit: the commit that was checked out.
        head: of a pull request, its newest commit; CI mostly checks out a merge of it that exists nowhere else.
        base: of a pull request, the branch that it is for.
    """

    name: str
    marker: str
    job: str
    pull_request: str
    branch: str
    commit: str
    head: str
    base: str


PROVIDERS: Final = (
    Provider(
        name="github",
        marker="GITHUB_ACTIONS",
        job="{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}",
        pull_request="{GITHUB_REF}",
        branch="{GITHUB_HEAD_REF}|{GITHUB_REF}",
        commit="{GITHUB_SHA}",
        head="",  # no variable has it: see `_github_head`
        base="{GITHUB_BASE_REF}",
    ),
    Provider(
        name="gitlab",
        marker="GITLAB_CI",
        job="{CI_JOB_URL}",
        pull_request="{CI_MERGE_REQUEST_IID}",
        branch="{CI_MERGE_REQUEST_SOURCE_BRANCH_NAME}|{CI_COMMIT_BRANCH}|{CI_COMMIT_REF_NAME}",
        commit="{CI_COMMIT_SHA}",
        head="{CI_MERGE_REQUEST_SOURCE_BRANCH_SHA}",
        base="{CI_MERGE_REQUEST_TARGET_BRANCH_NAME}",
    ),
    Provider(
        name="jenkins",
        marker="JENKINS_URL",
        job="{BUILD_URL}",
        pull_request="{CHANGE_ID}|{ghprbPullId}",
        branch="{CHANGE_BRANCH}|{ghprbSourceBranch}|{GIT_LOCAL_BRANCH}|{BRANCH_NAME}",
        commit="{GIT_COMMIT}",
        head="{ghprbActualCommit}",
        base="{CHANGE_TARGET}|{ghprbTargetBranch}",
    ),
    Provider(
        name="circleci",
        marker="CIRCLECI",
        job="{CIRCLE_BUILD_URL}",
        pull_request="{CIRCLE_PULL_REQUEST}|{CIRCLE_PR_NUMBER}",
        branch="{CIRCLE_BRANCH}",
        commit="{CIRCLE_SHA1}",
        head="",  # what it checks out
        base="",  # it doesn't say
    ),
    Provider(
        name="buildkite",
        marker="BUILDKITE",
        job="{BUILDKITE_BUILD_URL}#{BUILDKITE_JOB_ID}",
        pull_request="{BUILDKITE_PULL_REQUEST}",
        branch="{BUILDKITE_BRANCH}",
        commit="{BUILDKITE_COMMIT}",
        head="",  # what it checks out
        base="{BUILDKITE_PULL_REQUEST_BASE_BRANCH}",
    ),
    Provider(
        name="azure",
        marker="TF_BUILD",
        job="{SYSTEM_COLLECTIONURI}{SYSTEM_TEAMPROJECT}/_build/results?buildId={BUILD_BUILDID}",
        pull_request="{SYSTEM_PULLREQUEST_PULLREQUESTNUMBER}|{SYSTEM_PULLREQUEST_PULLREQUESTID}",
        branch="{SYSTEM_PULLREQUEST_SOURCEBRANCH}|{BUILD_SOURCEBRANCH}",
        commit="{BUILD_SOURCEVERSION}",
        head="{SYSTEM_PULLREQUEST_SOURCECOMMITID}",
        base="{SYSTEM_PULLREQUEST_TARGETBRANCH}",
    ),
)

_ENDED: Final = "ZXx"
"""States of a process that ended, though its parent did not ask for its exit status yet."""

_DIST_INFO: Final = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)\.dist-info")
_PULL_REQUEST: Final = re.compile(r"(?:^|refs/pull/|/pull/|/pull-requests/)(\d+)(?:/merge|/head)?$")
_BRANCH: Final = re.compile(r"(?:refs/heads/)?(?!refs/)(.+)")
_SECRET_NAME: Final = re.compile(r"pass|secret|token|key|credential|auth", re.IGNORECASE)
_SECRET_WORD: Final = r"(?:password|passwd|passphrase|secret|token|credentials?|(?:api|access|secret|private)[_-]?key)"  # noqa: S105 - a pattern
_SECRET_KEY: Final = re.compile(rf"(?:.*[_-])?{_SECRET_WORD}", re.IGNORECASE)
_SECRET_ITEM: Final = re.compile(
    rf"((?<![\w-])(?:[\w-]*[_-])?{_SECRET_WORD}['\"]?\s*:(?!:)\s*)(?:'[^']*'|\"[^\"]*\"|[^\s'\",}}\]]+)", re.IGNORECASE
)
"""An item of a dict as Python writes it, or as YAML does."""


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
        describe_platform(),
        platform.node(),
        installed_packages(sys.path),
        without_secrets(arguments),
        identify_process(os.getpid()),
    )


def describe_platform() -> str:
    """Return what `platform.platform()` does; on Linux without the process that it starts to ask for the processor."""
    if sys.platform != "linux":
        return platform.platform()
    system, libc = os.uname(), "".join(platform.libc_ver())
    return "-".join(filter(None, (system.sysname, system.release, system.machine, "with", libc))).replace(" ", "_")


def identify_process(pid: int) -> str | None:
    """Return what tells a process from every other one that ever ran on any machine; None where it ended, or can't be told.

    It is the id of the machine's boot, the namespace that the number counts in, the number, and the tick at which the
    process began.

    Source: proc(5), /proc/sys/kernel/random/boot_id, /proc/pid/ns/pid and field 22 of /proc/pid/stat.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        namespace = Path("/proc/self/ns/pid").readlink()
        # The name of the program, in parentheses, may itself have spaces and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in _ENDED else f"{boot} {namespace} {pid} {fields[19]}"


def is_running(process: str | None) -> bool | None:
    """Whether a process that `identify_process` described still runs; None of one on another machine, or unknown."""
    own = identify_process(os.getpid())
    if process is None or own is None or process.split()[:2] != own.split()[:2]:
        return None
    pid = process.split()[2:3]
    return bool(pid) and pid[0].isdecimal() and identify_process(int(pid[0])) == process


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
    answer = ask_repository(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    if answer is None:
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
            safe.append(_SECRET_ITEM.sub(r"\1***", without_password(argument)))
        secret = not equals and not secret and argument.startswith("-") and bool(_SECRET_NAME.search(argument))
    return shlex.join(safe)


def hide_secrets(config: Mapping[str, Any]) -> dict[str, Any]:
    """Put `***` in the place of texts that are named like secrets, and of passwords in URLs.

    Only what a name says for sure is hidden (`api_key`, `hub_token`; not `tokenizer` or `max_tokens`), because what is hidden
    is not stored.

    Example:
        >>> hide_secrets({"hub_token": "s3cret", "tokenizer": "bpe", "max_tokens": 5, "db": "x://ann:s3cret@db"})
        {'hub_token': '***', 'tokenizer': 'bpe', 'max_tokens': 5, 'db': 'x://ann:***@db'}
    """
    return {name: _hide(name, value) for name, value in dict(config).items()}  # a Bunch may have an item called `items`


def _hide(name: Any, value: Any) -> Any:
    """Hide the secrets in a value, and in what is in it."""
    if isinstance(value, str):
        is_secret = isinstance(name, str) and _SECRET_KEY.fullmatch(name)
        return "***" if is_secret else without_password(value)
    kind: Any = type(value)
    if kind in (dict, Bunch, FrozenBunch):
        return kind({key: _hide(key, item) for key, item in dict(value).items()})
    if kind in (list, tuple):
        return kind(_hide(None, item) for item in value)
    return value


def _with_ci(revision: Revision, provider: Provider | None, variables: Mapping[str, str]) -> Revision:
    """Fill in what git doesn't know in a CI job.

    That is the branch of a detached head, the commit of an exported tree, and of a pull request the commit that was pushed.
    """
    if provider is None:
        return revision
    named = (_BRANCH.fullmatch(name) for name in _filled(provider.branch, variables))
    branch = revision.branch or next((found[1] for found in named if found), None)
    commit = revision.commit or _first(provider.commit, variables)
    if _pull_request(provider, variables) is not None:
        commit = _first(provider.head, variables) or _github_head(variables) or commit
    return revision._replace(branch=branch, commit=commit)


def _ci(provider: Provider, variables: Mapping[str, str]) -> dict[str, str]:
    found = {"provider": provider.name, "job": _first(provider.job, variables)}
    found["pull_request"] = _pull_request(provider, variables)
    if found["pull_request"] is not None:
        found["base"] = (_first(provider.base, variables) or "").removeprefix("refs/heads/")
    return {name: without_password(value) for name, value in found.items() if value}


def _pull_request(provider: Provider, variables: Mapping[str, str]) -> str | None:
    """Return the number of the pull request that a job is for; None where it is for none."""
    found = _PULL_REQUEST.search(_first(provider.pull_request, variables) or "")
    return None if found is None else found[1]


def _github_head(variables: Mapping[str, str]) -> str | None:
    """Return the newest commit of a pull request on GitHub, from the event that started the job.

    Source: GitHub Docs, "Webhook events and payloads", pull_request; the file is that of `GITHUB_EVENT_PATH`.
    """
    try:
        event = json.loads(Path(variables["GITHUB_EVENT_PATH"]).read_bytes())
        return str(event["pull_request"]["head"]["sha"])
    except (KeyError, TypeError, ValueError, OSError):
        return None


def _first(templates: str, variables: Mapping[str, str]) -> str | None:
    """Fill in the first template whose variables are all set; None where there is none."""
    return next(_filled(templates, variables), None)


def _filled(templates: str, variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the templates whose variables are all set, filled in."""
    for template in filter(None, templates.split("|")):
        if all(variables.get(name) for name in re.findall(r"{(\w+)}", template)):
            yield template.format_map(variables)
