"""Metrics beside other plugins: what reports tests reports them, and what runs tests again or loses a process is taken into account."""

from __future__ import annotations

import html
import json
import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest

EXPERIMENT = """
import os
import random
import pytest

def step_train(run, model, seed):
    fails = os.environ.get("FAILS") == f"{model}{seed}"
    run.fields.accuracy = 0.9 + random.gauss(0, 0.01) - float(os.environ.get("DROP", "0")) * (model == "tree")
    if fails and run.attempts == 1:
        run.fields.accuracy = 0.1
        assert "KILL" not in os.environ or os._exit(1)
        raise OSError("the first attempt fails")

@pytest.mark.metric("accuracy", rtol=0.01)
@pytest.mark.runs(model=["linear", "tree"], seed=range(4))
def experiment_iris(run):
    pass
"""

NODE = "experiment_iris.py::experiment_iris::accuracy"


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with an experiment, whose metric was stored once."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "180")
    pytester.makepyfile(experiment_iris=EXPERIMENT)
    pytester.runpytest_subprocess("--mltraq-db=results.db").assert_outcomes(passed=8)
    return pytester


@pytest.mark.parametrize("processes", [(), ("-n2",)], ids=["alone", "xdist"])
def test_what_reports_tests_reports_metrics(
    processes: tuple[str, ...], suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JUnit files, pytest-reportlog and pytest-html have each metric once, with its message and its numbers."""
    pytest.importorskip("pytest_html")
    pytest.importorskip("pytest_reportlog")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:randomly")
    monkeypatch.setenv("DROP", "0.2")

    result = suite.runpytest_subprocess(
        "--mltraq-db=results.db", "--junitxml=j.xml", "--report-log=log.jsonl", "--html=h.html", *processes
    )

    assert result.ret == 1
    reason = "accuracy[model:tree] of iris regressed: worse by 0.2"
    cases = {case.get("name"): case for case in ET.parse(suite.path / "j.xml").iter("testcase")}  # noqa: S314
    assert len(cases) == 10
    (failure,) = cases["accuracy[model:tree]"].iter("failure")
    assert reason in str(failure.get("message"))
    properties = {found.get("name"): found.get("value") for found in cases["accuracy[model:linear]"].iter("property")}
    assert properties["mltraq.verdict"] == "unchanged"
    assert properties["mltraq.n"] == "4"

    lines: list[dict[str, Any]] = list(map(json.loads, (suite.path / "log.jsonl").read_text("utf-8").splitlines()))
    calls = {line["nodeid"]: line for line in lines if line.get("when") == "call"}
    assert len(calls) == 10
    assert (calls[f"{NODE}[model:tree]"]["outcome"], calls[f"{NODE}[model:linear]"]["outcome"]) == ("failed", "passed")
    assert ["mltraq.verdict", "regressed"] in calls[f"{NODE}[model:tree]"]["user_properties"]

    page = (suite.path / "h.html").read_text("utf-8")
    found = re.search(r'data-jsonblob="([^"]*)"', page)
    assert found is not None
    tests: dict[str, list[dict[str, Any]]] = json.loads(html.unescape(found[1]))["tests"]
    assert [test["result"] for test in tests[f"{NODE}[model:tree]"]] == ["Failed"]
    assert reason in html.unescape(tests[f"{NODE}[model:tree]"][0]["log"])
    assert [test["result"] for test in tests[f"{NODE}[model:linear]"]] == ["Passed"]


def test_what_a_retry_measured_is_judged(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """With rerunfailures the last attempt counts, not what an earlier one had set."""
    pytest.importorskip("pytest_rerunfailures")
    monkeypatch.setenv("FAILS", "tree0")

    retried = suite.runpytest_subprocess("--mltraq-db=results.db", "--reruns=2")

    retried.stdout.fnmatch_lines(["  unchanged *accuracy *model:tree *", "*= 10 passed, 1 rerun in *"])
    assert retried.ret == 0


def test_the_runs_of_a_killed_worker_make_their_group_undecided(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are judged, and a later session is compared with what was measured."""
    monkeypatch.setenv("FAILS", "tree2")
    monkeypatch.setenv("KILL", "1")

    killed = suite.runpytest_subprocess("--mltraq-db=results.db", "-n2")
    monkeypatch.delenv("FAILS")
    later = suite.runpytest_subprocess("--mltraq-db=results.db")

    killed.stdout.fnmatch_lines(
        [
            "iris: 8 runs, 1 crashed, *",
            "  undecided *accuracy *model:tree *",
            "  unchanged *accuracy *model:linear *",
            "*accuracy[[]model:tree[]]: 1 of 4 runs failed; of the others: *",
            "*= 1 failed, 8 passed, 1 undecided in *",
        ]
    )
    assert killed.ret == 1
    later.assert_outcomes(passed=10)
