"""Sessions that are cut off from inside: by signals, by a step that ends the process, by other plugins."""

from __future__ import annotations

import json
import signal

import pytest

from tests.conftest import Rows
from tests.program import program

SUITE = """
import os
import signal
import subprocess
import sys
import pytest

def step_train(run, n):
    run.fields.loss = n
    if n == 3:
        end(run)
    run.fields.done = True

@pytest.mark.runs(n=range(5))
def experiment_fit(run):
    pass
"""
"""A session of five runs; in the fourth of them something happens."""

BEFORE = [(n, "passed", 1) for n in range(3)]
"""What is stored of the runs before it."""

RUNS = "SELECT n, outcome, done FROM experiment_fit ORDER BY n"
FINISHED = "SELECT finished_at IS NOT NULL, exit_status FROM sessions"


def abort(pytester: pytest.Pytester, end: str, *arguments: str) -> pytest.RunResult:
    """Run the suite; `end` is what the fourth run does."""
    pytester.makepyfile(experiment_fit=SUITE + f"\ndef end(run):\n    {end}\n")
    result = pytester.runpytest_subprocess("--mltraq-db=results.db", *arguments)
    if result.ret != pytest.ExitCode.TESTS_FAILED:
        assert [path.name for path in pytester.path.glob("results.db*")] == ["results.db"]
    return result


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_stores_all_and_the_run_that_it_cut_off(pytester: pytest.Pytester, rows: Rows, name: str) -> None:
    """Ctrl-C, and SIGTERM as CI cancels a job: fixtures are torn down, and the session has its end and exit status."""
    result = abort(pytester, f"os.kill(os.getpid(), signal.{name})")

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert rows(RUNS) == [*BEFORE, (3, "interrupted", None)]
    assert rows(FINISHED) == [(1, 2)]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_stores_what_workers_reported_and_what_they_were_at(
    pytester: pytest.Pytester, rows: Rows, name: str
) -> None:
    """The same under pytest-xdist, where the one that is interrupted runs nothing itself."""
    pytester.makeconftest(
        f"""
        import os
        import signal
        import pytest

        def pytest_configure(config):
            if not hasattr(config, "workerinput"):
                config.pluginmanager.register(Interrupting())

        class Interrupting:
            @pytest.hookimpl(trylast=True)
            def pytest_runtest_logreport(self, report):
                if report.when == "setup" and "n:3" in report.nodeid:
                    os.kill(os.getpid(), signal.{name})
        """
    )

    result = abort(pytester, "pass", "-n2")

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert (3, "interrupted", None) in rows(RUNS)
    assert rows(FINISHED) == [(1, 2)]


@pytest.mark.parametrize("place", ["fixture", "hook", "report"])
def test_a_second_interrupt_loses_nothing(pytester: pytest.Pytester, rows: Rows, place: str) -> None:
    """Ctrl-C again, while pytest tears down what the first one left, ends it at once; the runs are stored all the same."""
    pytester.makeconftest(
        f"""
        import os
        import signal
        import pytest

        @pytest.fixture(scope="session", autouse=True)
        def resource():
            yield
            if {place!r} == "fixture":
                os.kill(os.getpid(), signal.SIGINT)

        def pytest_sessionfinish():
            if {place!r} == "hook":
                os.kill(os.getpid(), signal.SIGINT)

        def pytest_keyboard_interrupt():
            if {place!r} == "report":
                os.kill(os.getpid(), signal.SIGINT)
        """
    )

    abort(pytester, "os.kill(os.getpid(), signal.SIGINT)")

    assert rows(RUNS) == [*BEFORE, (3, "interrupted", None)]
    assert rows(FINISHED) == [(1, 2)]


def test_a_second_sigterm_kills(pytester: pytest.Pytester, rows: Rows) -> None:
    """What was reported before is there; the session is left open, for the next reader to find it killed."""
    pytester.makeconftest(
        """
        import os
        import signal

        def pytest_sessionfinish():
            os.kill(os.getpid(), signal.SIGTERM)
        """
    )
    pytester.makepyfile(experiment_fit=SUITE + "\ndef end(run):\n    os.kill(os.getpid(), signal.SIGTERM)\n")

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    assert result.ret == -signal.SIGTERM
    assert rows(FINISHED) == [(0, None)]
    assert set(rows(RUNS)) <= set(BEFORE)


def test_a_handler_of_the_suite_is_kept(pytester: pytest.Pytester, rows: Rows) -> None:
    """One that was there before, and one that came later."""
    pytester.makepyfile(
        plugin_of_the_suite="""
            import signal

            def note(number, frame):
                print("the suite's own handler")

            signal.signal(signal.SIGTERM, note)
            """
    )

    result = abort(pytester, "os.kill(os.getpid(), signal.SIGTERM)", "-p", "plugin_of_the_suite", "-s")

    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["*the suite's own handler*"])
    assert rows("SELECT count(*) FROM experiment_fit WHERE done") == [(5,)]


def test_a_handler_that_a_test_sets_is_kept(pytester: pytest.Pytester) -> None:
    """Ours neither hides it nor comes back."""
    set_one = "signal.signal(signal.SIGTERM, lambda *_: print('set by the test'))"

    result = abort(pytester, f"{set_one}; os.kill(os.getpid(), signal.SIGTERM)", "-s")

    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["*set by the test*"])


@pytest.mark.parametrize("how", ["fork", "exec"])
def test_a_process_of_the_suite_is_killed_by_sigterm(pytester: pytest.Pytester, how: str) -> None:
    """A child process, forked or a program, does what it would without us."""
    fork = "pid = os.fork() or signal.pause()"
    program = "pid = subprocess.Popen([sys.executable, '-c', 'import signal; print(1, flush=True); signal.pause()'], stdout=-1)"
    wait = "pid.stdout.readline(); pid = pid.pid"
    start = fork if how == "fork" else f"{program}; {wait}"

    result = abort(pytester, f"{start}; os.kill(pid, signal.SIGTERM); assert os.waitpid(pid, 0)[1] == signal.SIGTERM")

    result.assert_outcomes(passed=5)


@pytest.mark.parametrize("options", [(), ("--mltraq",)], ids=["asleep", "nothing stored"])
def test_without_a_database_sigterm_is_left_alone(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    """There is nothing that it could lose."""
    pytester.makepyfile(test_a="def test_a(run):\n    import os, signal\n    os.kill(os.getpid(), signal.SIGTERM)\n")

    assert pytester.runpytest_subprocess(*options).ret == -signal.SIGTERM


def test_a_step_that_ends_the_process(pytester: pytest.Pytester, rows: Rows) -> None:
    """`os._exit` leaves what was stored, and no end; a second's runs may be missing."""
    result = abort(pytester, "run.vars.clear(); os._exit(7)")

    assert result.ret == 7
    assert rows("PRAGMA integrity_check") == [("ok",)]
    assert set(rows(RUNS)) <= set(BEFORE)
    assert rows(FINISHED) == [(0, None)]


def test_the_next_session_says_that_the_one_before_was_killed(pytester: pytest.Pytester, rows: Rows) -> None:
    """Its header, and `ls`; once that one ended, or while it runs, nothing is said."""
    abort(pytester, "os._exit(7)")
    killed = len(rows("SELECT * FROM runs"))
    pytester.makepyfile(experiment_fit=SUITE + "\ndef end(run): pass\n")

    next_one = pytester.runpytest_subprocess("--mltraq-db=results.db")
    after_it = pytester.runpytest_subprocess("--mltraq-db=results.db")

    next_one.stdout.re_match_lines(
        [rf"mltraq: the session of 20.* UTC was interrupted: {killed} runs? of it (is|are) stored"]
    )
    after_it.stdout.no_fnmatch_line("*was interrupted*")
    listed = program("ls", "--db", "results.db", "--format", "json", folder=pytester.path)
    assert [row["outcome"] for row in json.loads(listed.stdout)] == ["passed", "passed", "interrupted"]


def test_a_session_that_runs_is_not_said_to_be_killed(pytester: pytest.Pytester) -> None:
    """Another one that begins meanwhile, on the same machine, knows that it runs."""
    pytester.makepyfile(test_other="def test_other(run): pass")
    inner = "[sys.executable, '-m', 'pytest', '--mltraq-db=results.db', 'test_other.py']"
    listed = "['pytest-mltraq', 'ls', '--db=results.db', '--format=csv']"
    check = "found = subprocess.run({}, capture_output=True, text=True).stdout; print(found)"

    result = abort(pytester, "; ".join(check.format(command) for command in (inner, listed)), "-s")

    result.assert_outcomes(passed=6)
    result.stdout.no_fnmatch_line("*was interrupted*")
    result.stdout.fnmatch_lines(["*,running,*"])


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_a_run_that_takes_too_long(pytester: pytest.Pytester, rows: Rows, method: str) -> None:
    """pytest-timeout fails the run by a signal, or ends the process from a thread: what was reported is there."""
    pytest.importorskip("pytest_timeout")

    result = abort(pytester, "[None for _ in iter(int, 1)]", "--timeout=2", f"--timeout-method={method}")

    if method == "signal":
        result.assert_outcomes(passed=4, failed=1)
        assert rows("SELECT n, outcome FROM experiment_fit WHERE n = 3") == [(3, "failed")]
        assert rows(FINISHED) == [(1, 1)]
    else:
        assert result.ret == 1
        assert rows(RUNS) == BEFORE  # two seconds before the end
        assert rows(FINISHED) == [(0, None)]


@pytest.mark.parametrize(
    ("hook", "passed"),
    [
        ("pytest_runtest_logreport(report)", 1),
        ("pytest_runtest_setup(item)", 5),
        ("pytest_runtest_logfinish(nodeid)", 1),
        ("pytest_sessionfinish(session)", 5),
        ("pytest_terminal_summary(terminalreporter)", 5),
    ],
)
def test_another_plugin_that_fails(pytester: pytest.Pytester, rows: Rows, hook: str, passed: int) -> None:
    """An exception in a hook of another plugin stops pytest; every run until then is stored, and the session's end."""
    pytester.makeconftest(f"def {hook}:\n    raise RuntimeError('broken')\n")

    result = abort(pytester, "pass")

    assert result.ret != 0
    assert len(rows("SELECT n FROM experiment_fit")) == passed
    assert rows("SELECT finished_at IS NOT NULL FROM sessions") == [(1,)]
