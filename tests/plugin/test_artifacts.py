"""Artifacts of runs that pytest runs."""

from __future__ import annotations

from pathlib import Path

import pytest

import pytest_mltraq as mltraq
from tests.conftest import Rows

EXPERIMENT = """
    import pytest, tempfile, pathlib
    import pytest_mltraq as mltraq

    @pytest.fixture
    def folder():
        with tempfile.TemporaryDirectory() as name:
            yield pathlib.Path(name)

    def step_train(run, folder):
        path = folder / "model.bin"
        path.write_bytes(bytes([run.params.n]) * 100)
        run.fields.model = mltraq.Artifact(path)

    def step_check(run):
        run.fields.later = 1
        assert run.params.n != 2

    @pytest.mark.runs(n=[1, 2, 3])
    def experiment_model(run):
        pass
"""


def models(pytester: pytest.Pytester) -> dict[int, bytes]:
    """The content of each run's model."""
    runs = mltraq.create_session(pytester.path / "results.db").load_experiment("model").runs.values()
    return {run.given_params.n: run.fields.model.read_bytes() for run in runs}


def kept(place: Path) -> int:
    return sum(path.is_file() for path in place.rglob("*"))


@pytest.mark.parametrize("more", [(), ("-n2",)], ids=["here", "xdist"])
def test_artifacts_are_kept_before_fixtures_are_torn_down(pytester: pytest.Pytester, more: tuple[str, ...]) -> None:
    """Also of a run that failed, and by workers."""
    pytester.makepyfile(experiment_model=EXPERIMENT)
    pytester.runpytest_subprocess("--mltraq-db=results.db", *more).assert_outcomes(passed=2, failed=1)
    assert models(pytester) == {n: bytes([n]) * 100 for n in (1, 2, 3)}
    assert kept(pytester.path / "results.db.artifacts") == 3


def test_without_a_database_nothing_is_kept(pytester: pytest.Pytester) -> None:
    """The suite passes, awake or asleep."""
    pytester.makepyfile(
        """
        import pytest_mltraq as mltraq

        def test_model(run, tmp_path):
            (tmp_path / "model.bin").write_bytes(b"x")
            run.fields.model = mltraq.Artifact(tmp_path / "model.bin")
        """
    )
    for arguments in ((), ("--mltraq",)):
        pytester.runpytest_subprocess(*arguments).assert_outcomes(passed=1)
    assert not list(pytester.path.glob("*.artifacts"))


@pytest.mark.parametrize("by", ["ini", "option", "environment"])
def test_a_place_can_be_named(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """By the ini key, whose paths are meant from the ini file's folder, the option or the environment."""
    pytester.makepyfile(experiment_model=EXPERIMENT)
    pytester.makeini("[pytest]\nmltraq_artifacts = kept/here\n" if by == "ini" else "[pytest]\n")
    monkeypatch.setenv("MLTRAQ_ARTIFACTS", "kept/here" if by == "environment" else "")
    option = ("--mltraq-artifacts=kept/here",) if by == "option" else ()
    pytester.runpytest_subprocess("--mltraq-db=results.db", *option)
    assert kept(pytester.path / "kept" / "here") == 3
    monkeypatch.delenv("MLTRAQ_ARTIFACTS")
    session = mltraq.create_session("results.db", artifacts="kept/here")
    assert session.load_experiment("model").runs.first().fields.model.size == 100


def test_a_run_whose_file_is_gone_fails(pytester: pytest.Pytester, rows: Rows) -> None:
    """Its other fields are stored, and the other runs."""
    pytester.makepyfile(
        """
        import pytest
        import pytest_mltraq as mltraq

        @pytest.mark.parametrize("n", [1, 2])
        def test_model(run, n, tmp_path):
            run.fields.accuracy = 0.5
            path = tmp_path / "model.bin"
            path.write_bytes(b"x")
            run.fields.model = mltraq.Artifact(path)
            if n == 2:
                path.unlink()
        """
    )
    result = pytester.runpytest_subprocess("--mltraq-db=results.db")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*UnsupportedTypeError: fields.model: expected a file or folder at *model.bin, found nothing*"]
    )
    found = rows(
        "SELECT outcome, json_extract(fields, '$.accuracy'), json_type(fields, '$.model') FROM runs ORDER BY position"
    )
    assert found == [("passed", 0.5, "object"), ("failed", 0.5, None)]


def test_a_place_that_can_not_be_written_fails_the_runs(pytester: pytest.Pytester, rows: Rows) -> None:
    """Not the session; it is said which place and why."""
    pytester.makepyfile(experiment_model=EXPERIMENT)
    (pytester.path / "kept").write_text("a file")
    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "--mltraq-artifacts=kept")
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["*fields.model: artifacts in *kept can't be written: *"])
    assert rows("SELECT count(*) FROM runs WHERE json_extract(fields, '$.later') = 1") == [(3,)]


def test_a_place_that_is_unknown_is_a_usage_error(pytester: pytest.Pytester) -> None:
    """Before anything runs."""
    pytester.makepyfile(experiment_model=EXPERIMENT)
    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "--mltraq-artifacts=s3://ann:s3cret@bucket")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --mltraq-artifacts: artifacts can't be kept in s3://ann:[*][*][*]@bucket: *s3fs*"]
    )
    assert not (pytester.path / "results.db").exists()


def test_resumed_runs_have_their_artifacts(pytester: pytest.Pytester) -> None:
    """What was stored is copied into the new session, and refers to the same files."""
    pytester.makepyfile(experiment_model=EXPERIMENT)
    for _ in range(2):
        pytester.runpytest_subprocess("--mltraq-db=results.db", "--mltraq-resume")
    assert models(pytester) == {n: bytes([n]) * 100 for n in (1, 2, 3)}


def test_as_params_and_fields_of_experiments(pytester: pytest.Pytester) -> None:
    """In markers too."""
    (pytester.path / "data.csv").write_text("a,b\n1,2\n")
    pytester.makepyfile(
        """
        import pytest
        import pytest_mltraq as mltraq

        DATA = mltraq.Artifact("data.csv")

        @pytest.mark.experiment(name="model", data=DATA, config={"data": DATA})
        @pytest.mark.runs(data=[DATA])
        def test_model(run, experiment):
            run.fields.rows = len(run.params.data.read_bytes().splitlines())
            with experiment.fields.data.open() as stream:
                assert stream.readline() == b"a,b\\n"
        """
    )
    pytester.runpytest_subprocess("--mltraq-db=results.db").assert_outcomes(passed=1)
    experiment = mltraq.create_session(pytester.path / "results.db").load_experiment("model")
    run = experiment.runs.first()
    assert run.fields.rows == 2
    for artifact in (run.given_params.data, experiment.fields.data, experiment.config.data):
        assert artifact.read_bytes() == b"a,b\n1,2\n"
