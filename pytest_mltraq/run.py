"""A run: one execution of the chain of steps with one set of params."""

from __future__ import annotations

import contextlib
import copy
import datetime
import hashlib
import os
import random
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from pytest_mltraq.bunch import Bunch, FrozenBunch
from pytest_mltraq.codec import Encoded, dump_json, encode_document, load_object
from pytest_mltraq.errors import StepError
from pytest_mltraq.steps import Step, list_steps, step_name

if TYPE_CHECKING:
    import pandas


class StepTime(NamedTuple):
    """How long a step took.

    Attributes:
        name: the step's name.
        duration_s: wall time [s].
    """

    name: str
    duration_s: float


class RunError(NamedTuple):
    """Why a run failed.

    Attributes:
        step: the step it failed in; None outside of steps.
        type: name of the exception's class.
        message: the exception's text.
        traceback: where it was raised, as text.
    """

    step: str | None
    type: str
    message: str
    traceback: str


class Run:
    """One execution of a chain of steps with one set of params.

    Attributes:
        id_run: unique, and larger than those made before it.
        params: what varies between the runs of an experiment; read-only, empty after `execute`.
        config: what is the same for all of them; read-only, empty after `execute`.
        vars: for any object, inside the steps only: emptied after `execute`.
        state: for any object, kept until the process ends.
        fields: what is stored.
        seed: derived from the experiment's name and the params alone, in range(2**32).
        outcome: `passed`, `failed`, ... (see the documentation), None before it ran.
        error: why it failed, or None.
        step: the step that runs, or in which it failed.
        steps: how long each step took, in the order in which they ran.
        started_at: when it began, UTC.
        duration_s: wall time from the first step's begin to the last one's end [s].
        attempts: how often it was tried.
        given_params: the params that were given; kept after `execute`, and stored.
    """

    __slots__ = (
        "attempts",
        "config",
        "duration_s",
        "error",
        "fields",
        "given_params",
        "id_run",
        "outcome",
        "params",
        "seed",
        "started_at",
        "state",
        "step",
        "steps",
        "vars",
    )

    def __init__(
        self,
        params: Mapping[str, Any] | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
        seed: int | None = None,
        id_run: uuid.UUID | None = None,
    ) -> None:
        self.id_run = new_id() if id_run is None else id_run
        self.given_params = self.params = _frozen(params)
        self.config = _frozen(config)
        self.vars = Bunch()
        self.state = Bunch()
        self.fields = Bunch(fields)
        self.seed = derive_seed("", self.params) if seed is None else seed
        self.outcome: str | None = None
        self.error: RunError | None = None
        self.step: str | None = None
        self.steps: list[StepTime] = []
        self.started_at: datetime.datetime | None = None
        self.duration_s: float | None = None
        self.attempts = 1

    def begin(self) -> None:
        """Note that the first step is about to run."""
        self.started_at = datetime.datetime.now(datetime.UTC)
        self.steps = []
        self.outcome = self.error = self.step = self.duration_s = None

    def timed(self, name: str) -> _Timed:
        """Return a context that notes a step: its duration, and that it is the one that runs."""
        return _Timed(self, name)

    def execute(self, steps: Step | Iterable[Step], config: Mapping[str, Any] | None = None) -> Self:
        """Apply steps to the run.

        Random numbers (`random`, and NumPy's and PyTorch's global ones where imported) begin at the run's seed, and go
        on afterwards where they were before.

        Raises:
            StepError: a step raised; from its exception. What the steps set until then is kept.
        """
        chain = list_steps(steps)
        if config is not None:
            self.config = FrozenBunch(config)
        self.begin()
        try:
            with seeded(self.seed):
                for step in chain:
                    with self.timed(step_name(step)):
                        step(self)
        except Exception as error:
            self.fail(error)
            raise StepError(str(self.step), str(self.id_run), f"{type(error).__name__}: {error}") from error
        else:
            self.outcome = "passed"
        finally:
            self.finish()
        return self

    def fail(self, error: BaseException) -> None:
        """Note that the run failed, and why."""
        self.outcome = "failed"
        text = "".join(traceback.format_exception(error))
        self.error = RunError(self.step, type(error).__qualname__, str(error), text)

    def finish(self) -> None:
        """Drop what lives inside the steps only: vars, params and config."""
        if self.started_at is not None and self.duration_s is None:
            self.duration_s = sum(step.duration_s for step in self.steps)
        self.vars.clear()
        self.params = self.config = _NOTHING

    def adopt(self, other: Run) -> None:
        """Take over what the same run became in another process."""
        for name in self.__slots__:
            if name != "vars":
                setattr(self, name, getattr(other, name))

    def copy(self) -> Run:
        """Return the run with fields of its own; what is in its state is shared, because it may be anything."""
        duplicate = Run()
        duplicate.adopt(self)
        duplicate.fields, duplicate.state = copy.deepcopy(self.fields), Bunch(self.state)
        return duplicate

    def df(self, max_level: int = 0, *, fields: Iterable[str] | None = None) -> pandas.DataFrame:
        """Return the fields as a DataFrame of one row; see `Runs.df`."""
        from pytest_mltraq.frames import frame_of, some_of

        return frame_of([{"id_run": self.id_run} | some_of(self.fields, fields)], ["id_run"], max_level)

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__ if name != "vars"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.vars = Bunch()
        for name, value in state.items():
            setattr(self, name, value)

    def __repr__(self) -> str:
        return f'Run(id="{self.id_run}")'

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from pytest_mltraq.notebook import heading, page, values_table

        seconds = None if self.duration_s is None else f"{self.duration_s:.4g} s"
        error = None if self.error is None else f"{self.error.type}: {self.error.message[:200]}"
        return page(
            heading("Run", str(self.id_run), self.outcome, seconds, error),
            values_table("params", self.given_params),
            values_table("fields", self.fields),
        )


class _Timed:
    """The context of a step; a class because a generator costs three times as much, and every step pays."""

    __slots__ = ("_begin", "_name", "_run")

    def __init__(self, run: Run, name: str) -> None:
        self._run, self._name = run, name

    def __enter__(self) -> None:
        self._run.step = self._name
        self._begin = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run.steps.append(StepTime(self._name, time.perf_counter() - self._begin))
        if error is None:
            self._run.step = None


def new_id() -> uuid.UUID:
    """Make an id: a UUID of version 7, whose order is that of the times when they were made.

    Source: RFC 9562, 5.7; as its 6.2, method 3 allows, the time is kept to the nanosecond, in 20 bits after the milliseconds.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    low = int.from_bytes(os.urandom(7), "big") >> 2
    high = (milliseconds & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | nanoseconds >> 8
    return uuid.UUID(int=high << 64 | 0x2 << 62 | (nanoseconds & 0xFF) << 54 | low)


def derive_seed(experiment: str, params: Mapping[str, Any], encoded: Encoded | None = None) -> int:
    """Derive a run's seed from its experiment's name and its params, whatever their order.

    Args:
        experiment: the name.
        params: the params.
        encoded: the params as they were encoded, where they were.

    Returns:
        A number in range(2**32), what NumPy takes. Params that can't be stored don't count.
    """
    if encoded is None:
        encoded = encode_document(FrozenBunch(params), "params", {})
    document, types = encoded.document, encoded.types
    if list(params) != sorted(params):
        document = dump_json(dict(sorted(load_object(document, "params").items())))
        types = None if types is None else dict(sorted(types.items()))
    identity = f"{experiment}\n{document}\n{types}"
    return int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=4).digest(), "big")


_NOTHING = FrozenBunch()


def _frozen(values: Mapping[str, Any] | None) -> FrozenBunch:
    return values if isinstance(values, FrozenBunch) else FrozenBunch(values) if values else _NOTHING


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global random numbers as `seed_random` does; afterwards they go on as before."""
    restore = save_random()
    seed_random(seed)
    try:
        yield
    finally:
        restore()


def seed_random(seed: int) -> None:
    """Seed the global random numbers of Python, and of NumPy and PyTorch where imported."""
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)


def save_random() -> Callable[[], None]:
    """Save the state of the global random numbers; returns what restores it."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    state = random.getstate()
    numpy_state = numpy.random.get_state() if numpy else None
    torch_state = torch.get_rng_state() if torch else None

    def restore() -> None:
        random.setstate(state)
        if numpy:
            numpy.random.set_state(numpy_state)
        if torch:
            torch.set_rng_state(torch_state)

    return restore
