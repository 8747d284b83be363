"""Reports: Markdown, JSON and OpenMetrics, and what GitHub Actions is told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pytest_mltraq.report import markdown
from tests.program import run as program

EXPERIMENT = """
import os
import pytest

def step_train(run, model, seed):
    run.fields["f1, macro: 100%"] = 0.9 + seed / 100 - float(os.environ.get("DROP", 0)) * (model != "a|b")

@pytest.mark.metric("f1, macro: 100%", rtol=0.01)
@pytest.mark.runs(model=["a|b", *(f"m{at}" for at in range(int(os.environ.get("MODELS", 1))))], seed=range(3))
def experiment_iris(run):
    pass
"""


@pytest.fixture
def regressed(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a stored session, and an environment in which the next one is worse; not in CI."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
    folder = pytester.mkdir("experiments")
    (folder / "experiment_iris.py").write_text(EXPERIMENT, encoding="utf-8")
    monkeypatch.setenv("MODELS", "12")
    pytester.runpytest_subprocess("--mltraq-db=results.db", "experiments/experiment_iris.py")
    monkeypatch.setenv("DROP", "0.1")


def stored_sessions(file: str) -> list[str]:
    """Return the ids of the sessions, the oldest first."""
    rows = json.loads(
        program("query", "SELECT id FROM sessions ORDER BY started_at", "--db", file, "--format=json").stdout
    )
    return [row["id"] for row in rows]


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("--mltraq-db=results.db", "experiments/experiment_iris.py", *arguments)


@pytest.mark.usefixtures("regressed")
def test_reports_are_written_in_their_forms(pytester: pytest.Pytester) -> None:
    """By suffix, with their folders; each says the same, the worst first."""
    paths = [f"out/ci/report{suffix}" for suffix in (".md", ".json", ".metrics", ".html")]

    result = run(pytester, *(f"--mltraq-report={path}" for path in paths))

    result.stdout.fnmatch_lines([f"report: {path}" for path in paths])
    assert not list(pytester.path.glob("out/ci/.*"))
    text, document, metrics, page = (Path(path).read_text(encoding="utf-8") for path in paths)
    assert text.startswith("## 🔴 12 of 13 metrics failed\n")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert (rows[2][:18], rows[-1][:18]) == ("| 🔴 | regressed | ", "| ⚪ | unchanged | ")
    assert "model:a\\|b" in rows[-1]
    assert text.endswith("\n<!-- mltraq:report -->\n")
    known = json.loads(document)
    assert (known["schema"], known["fails"], known["session"]["exit_status"]) == (1, True, 1)
    assert [one["verdict"] for one in known["verdicts"]] == ["regressed"] * 12 + ["unchanged"]
    assert known["verdicts"][0]["values"].keys() == {"seed:0", "seed:1", "seed:2"}
    lines = metrics.splitlines()
    assert lines[:2] == [
        "# HELP mltraq_f1_macro_100_ f1, macro: 100% (higher is better)",
        "# TYPE mltraq_f1_macro_100_ gauge",
    ]
    assert lines[2] == 'mltraq_f1_macro_100_{experiment="iris",metric="f1, macro: 100%",group="model:a|b"} 0.91'
    assert lines[-1] == "# EOF"
    assert page.lower().startswith("<!doctype html>")


@pytest.mark.usefixtures("regressed")
def test_the_command_writes_the_reports_of_a_stored_session(pytester: pytest.Pytester) -> None:
    """To the letter what was written when the session ended; what it was compared with is no option any more."""
    names = ["report.md", "report.json", "report.metrics"]
    run(pytester, *(f"--mltraq-report=now/{name}" for name in names), "--mltraq-baseline=window:3")
    run(pytester)  # a later one

    outputs = [f"--output=later/{name}" for name in names]
    result = program("report", "--db=results.db", "--session", stored_sessions("results.db")[1], *outputs)

    assert result.exit_code == 0, result.output
    now, later = (
        {name: Path(folder, name).read_text(encoding="utf-8") for name in names} for folder in ("now", "later")
    )
    assert later["report.metrics"] == now["report.metrics"]
    assert later["report.md"] == now["report.md"]
    expected = json.loads(now["report.json"]) | {"baseline": None}
    assert json.loads(later["report.json"]) == expected
    assert expected["verdicts"][0]["baseline_session"] is not None


@pytest.mark.usefixtures("regressed")
def test_a_report_that_cannot_be_written_fails_the_session(pytester: pytest.Pytester) -> None:
    """Hours of work are not lost for it, and nobody takes an old report for a new one."""
    pytester.makeconftest("import pathlib\ndef pytest_runtestloop():\n    pathlib.Path('out').write_text('a file')\n")

    result = run(pytester, "--mltraq-report=out/report.md")

    result.stdout.fnmatch_lines(["stored in results.db", "the report out/report.md could not be written: *"])
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR


@pytest.mark.usefixtures("regressed")
def test_github_is_told(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten annotations at the experiment's line, the last for the others; and the job's summary, after what is there."""
    summary = pytester.path / "summary.md"
    summary.write_text("earlier\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(pytester.path.parent))

    result = run(pytester)

    commands = [line for line in result.outlines if line.startswith("::")]
    assert len(commands) == 10
    place = f"file={pytester.path.name}/experiments/experiment_iris.py,line="
    assert commands[0].startswith(f"::error {place}")
    assert "title=f1%2C macro%3A 100%25[model%3Am" in commands[0]
    assert re.search(r"::f1, macro: 100%25\[model:m\d+\] of iris regressed: .*%0Anow ", commands[0])
    assert commands[-1].startswith("::error title=3 more metrics::")
    written = summary.read_text(encoding="utf-8")
    assert written.startswith("earlier\n## 🔴 12 of 13 metrics failed\n")

    warned = run(pytester, "--mltraq-gate=warn")
    assert all(line.startswith("::warning ") for line in warned.outlines if line.startswith("::"))
    summary.write_text("x" * 1_048_000, encoding="utf-8")
    run(pytester)
    assert summary.stat().st_size == 1_048_000


def test_a_long_report_truncates_itself(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """It never has more characters than a comment may have, and says how much was left out."""
    (folder := pytester.mkdir("experiments")).joinpath("experiment_iris.py").write_text(EXPERIMENT, encoding="utf-8")
    assert folder.is_dir()
    monkeypatch.setenv("MODELS", "1500")

    run(pytester, "--mltraq-report=report.md")

    text = Path("report.md").read_text(encoding="utf-8")
    assert 30_000 < len(text.encode()) <= markdown.LONGEST
    assert re.search(r"\.\.\. and \d+ more metrics, none worse than these", text)
    assert text.endswith("<!-- mltraq:report -->\n")
