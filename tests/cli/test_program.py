"""The command `pytest-mltraq` as a whole: its database, its exit status, what goes to a terminal and what into a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from pytest_mltraq.cli import COMMANDS
from tests.history import a_run, store_session
from tests.program import PROGRAM, on_terminal, program, run

MEANS = "SELECT model, avg(accuracy) AS mean FROM experiment_iris GROUP BY model ORDER BY model"


def test_the_program_prints_what_a_query_finds(file: Path) -> None:
    """The installed program answers on standard output, and ends well."""
    result = program("query", "--db", str(file), MEANS)

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "model     mean\nlogreg  0.5625\ntree    0.8125\n"


def test_the_program_takes_the_database_from_the_environment(file: Path) -> None:
    """`MLTRAQ_DB` names it, as for pytest."""
    result = program("ls", MLTRAQ_DB=str(file))

    assert result.returncode == 0
    assert "iris" in result.stdout


def test_the_program_ends_with_an_error_on_standard_error(tmp_path: Path) -> None:
    """What goes wrong is one message, without a traceback, and the exit status says so."""
    (tmp_path / "notes.txt").write_text("no database")

    result = program("ls", "--db", str(tmp_path / "notes.txt"))

    assert result.returncode == 2
    assert result.stdout == ""
    assert "notes.txt is no SQLite database" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_program_prints_all_of_unicode_into_a_pipe(file: Path) -> None:
    """Other programs get UTF-8."""
    result = program("ls", "--db", str(file), "--format", "json", PYTHONUTF8="1")

    assert "größe" in result.stdout


def test_asking_for_help_needs_no_database_and_imports_nothing_heavy() -> None:
    """`-h` says what there is, at once."""
    script = (
        "import sys; from pytest_mltraq.cli import main; main(['-h'], standalone_mode=False);"
        "print([name for name in ('sqlalchemy', 'pandas', 'numpy', 'pyarrow', 'rich', 'pytest') if name in sys.modules])"
    )

    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert all(f"\n  {name} " in shown for name in COMMANDS)
    assert shown.splitlines()[-1] == "[]"


def test_colours_are_for_terminals_that_want_them(file: Path) -> None:
    """NO_COLOR is heeded, and a pipe gets none."""
    query = "SELECT outcome FROM experiment_iris"
    green = "\x1b[32mpassed"

    assert green in on_terminal("query", "--db", str(file), query)
    assert green not in on_terminal("query", "--db", str(file), query, NO_COLOR="1")
    assert "\x1b" not in program("query", "--db", str(file), query).stdout


def test_a_reader_that_goes_away_is_no_error(file: Path) -> None:
    """As in `pytest-mltraq query ... | head -1`."""
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) SELECT i FROM n"
    command = f"{PROGRAM} query --db {file} '{many}' | head -1"

    result = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)

    assert (result.stdout.strip(), result.stderr) == ("i", "")


def test_an_export_whose_reader_goes_away_is_no_error(tmp_path: Path) -> None:
    """The status is that of a program that SIGPIPE ended: 1 would say that a metric regressed."""
    store_session(tmp_path / "results.db", {"many": [a_run({"n": n}) for n in range(6000)]})
    command = f"{PROGRAM} export many --db {tmp_path}/results.db"
    script = f"{{ {command}; echo $? >&2; }} | head -1"

    result = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=False)

    assert result.stdout.startswith("id_run,")
    assert result.stderr == "141\n"


def test_ctrl_c_ends_a_command_as_it_ends_any_program(tmp_path: Path) -> None:
    """With the status 130, and nothing half written."""
    store_session(tmp_path / "results.db", {"many": [a_run({"n": n}) for n in range(200)]})
    script = """
import os, signal
import pytest_mltraq.cli.exporting as exporting
def interrupted(*arguments):
    os.kill(os.getpid(), signal.SIGINT)
    yield from ()
exporting._shown = interrupted
from pytest_mltraq.cli import main
main()
"""
    arguments = ["export", "many", "--db", "results.db", "-o", "out.csv"]

    result = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (result.returncode, result.stderr.strip()) == (130, "interrupted")
    assert [path.name for path in tmp_path.iterdir()] == ["results.db"]


@pytest.mark.parametrize("command", ["ls --db {file}", "export iris --db {file}"])
@pytest.mark.parametrize(("to", "reason"), [(">/dev/full", "No space left on device"), (">&-", "it is closed")])
def test_an_output_that_takes_nothing_is_one_line_and_status_2(file: Path, command: str, to: str, reason: str) -> None:
    """1 would say that a metric regressed."""
    script = f"{PROGRAM} {command.format(file=file)} {to}"

    result = subprocess.run(["/bin/sh", "-c", script], stderr=subprocess.PIPE, text=True, check=False)

    assert (result.returncode, result.stderr) == (2, f"Error: standard output can't be written: {reason}\n")


# -- which database ----------------------------------------------------------------------------------------------------

INI_FILES = {
    "pytest.ini": "[pytest]\nmltraq_db = results.db\n",
    ".pytest.ini": "[pytest]\nmltraq_db = results.db\n",
    "pyproject.toml": "[tool.pytest.ini_options]\nmltraq_db = 'results.db'\n",
    "tox.ini": "[tox]\n[pytest]\nmltraq_db: results.db\n",
    "setup.cfg": "[tool:pytest]\nmltraq_db=results.db\n",
}


@pytest.mark.parametrize("name", INI_FILES)
def test_the_projects_ini_file_names_the_database(
    file: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked for upward, and a path in it is meant from its folder."""
    (tmp_path / name).write_text(INI_FILES[name])
    (tmp_path / "sub" / "folder").mkdir(parents=True)
    (tmp_path / "sub" / "pyproject.toml").write_text("[project]\nname = 'another'\n")
    monkeypatch.chdir(tmp_path / "sub" / "folder")

    result = run("query", MEANS)

    assert result.exit_code == 0, result.output
    assert "logreg" in result.stdout


def test_the_nearest_ini_file_of_pytest_counts(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for pytest, another one above it doesn't."""
    (tmp_path / "pytest.ini").write_text(INI_FILES["pytest.ini"])
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.chdir(tmp_path / "sub")

    result = run("query", MEANS)

    assert (result.exit_code, "expected a database: --db" in result.stderr) == (2, True)


def test_pytest_and_the_command_find_the_same_database(file: Path, tmp_path: Path) -> None:
    """Of several files, pytest's order decides."""
    for at, (name, text) in enumerate(INI_FILES.items()):
        (tmp_path / name).write_text(text.replace("results.db", f"{at}.db"))
    (tmp_path / "test_one.py").write_text("def test_one(run): run.fields.x = 1")
    own = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p mltraq -p no:cacheprovider"}
    subprocess.run([sys.executable, "-m", "pytest"], cwd=tmp_path, env={**os.environ, **own}, check=True)

    result = program("query", "SELECT x FROM experiment_test_one_test_one", folder=tmp_path)

    assert result.stdout.split() == ["x", "1"], result.stderr
    assert [path.name for path in tmp_path.glob("[0-9].db")] == ["0.db"]


@pytest.mark.parametrize(("name", "text"), [("pytest.ini", "[pytest\nmltraq_db"), ("pyproject.toml", "= 1")])
def test_an_ini_file_that_cannot_be_read_is_named(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says which file, and where in it."""
    (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)

    result = run("query", "SELECT 1")

    assert result.exit_code == 2
    assert f"{name} can't be read" in result.stderr
    assert "line 1" in result.stderr


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("database", "what"),
    [
        ("mysql://ann:s3cret@host/x", "mysql"),
        ("postgresql://ann:s3cret@host:port/x", "postgresql"),
        ("postgresql://ann:s3cret@127.0.0.1:1/x", "127.0.0.1"),
        ("postgresql://127.0.0.1:1/x?user=ann&password=s3cret", "127.0.0.1"),
        (".", "folder"),
    ],
)
def test_a_database_that_cannot_be_opened_is_one_message(database: str, what: str) -> None:
    """The message says what is wrong, and never a password."""
    result = run("ls", "--db", database)

    assert result.exit_code == 2
    assert what in result.stderr
    assert "s3cret" not in result.output + result.stderr
    assert isinstance(result.exception, SystemExit)


def test_a_password_in_the_environment_is_not_shown(postgresql: str) -> None:
    """Neither in an error, nor as the default in the help."""
    url = make_url(postgresql).set(password="s3cret", database="nowhere").render_as_string(hide_password=False)  # noqa: S106 - of a test

    results = [run("ls", MLTRAQ_DB=url), run("ls", "-h", MLTRAQ_DB=url), run("ls", "--nonsense", MLTRAQ_DB=url)]

    assert [result.output for result in results if "s3cret" in result.output] == []


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["ls"], "--db"),
        (["query", "--db", "x.db"], "SQL"),
        (["ls", "--db", "x.db", "--format", "xml"], "json"),
        (["lss"], "did you mean 'ls'?"),
    ],
    ids=str,
)
def test_a_wrong_command_line_says_what_is_missing(arguments: list[str], what: str) -> None:
    """Usage errors have the exit status 2."""
    result = run(*arguments)

    assert result.exit_code == 2
    assert what in result.stderr
