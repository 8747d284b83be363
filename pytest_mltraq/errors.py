"""Every exception of the package.

::

    MltraqError
    ├── ConfigurationError (ValueError)      an option, a URL or a marker is wrong
    ├── GridError (ValueError)               a grid of params can't be expanded
    ├── ReadOnlyError (AttributeError)       params or config were written to
    ├── StepError (RuntimeError)             a step raised; raised from its exception
    ├── CodecError
    │   ├── UnsupportedTypeError (TypeError) a value can't be stored; has its path
    │   └── CorruptDataError (ValueError)    stored data can't be read; has its path
    └── StorageError
        ├── NotFoundError (LookupError)      no such experiment or run
        ├── AlreadyExistsError (ValueError)  a stored experiment would be overwritten
        ├── ForeignDatabaseError             the file belongs to something else
        └── SchemaVersionError               written by a newer or older version of the package

The second base is what a caller would expect from the standard library. Errors carry what a program needs
as attributes; their message says what was expected, what was found and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

MANY: Final = 20
"""Names that a message names."""


class MltraqError(Exception):
    """The base of every exception of this package."""


class ConfigurationError(MltraqError, ValueError):
    """An option, an ini key, a URL or a marker is wrong."""


class GridError(MltraqError, ValueError):
    """A grid of params can't be expanded into runs."""


class ReadOnlyError(MltraqError, AttributeError):
    """`run.params`, `run.config` or the fields of a running experiment were written to."""


class StepError(MltraqError, RuntimeError):
    """A step of a run raised; the step's own exception is the `__cause__`.

    Attributes:
        step: name of the step.
        id_run: id of the run, as text.
    """

    def __init__(self, step: str, id_run: str, message: str) -> None:
        super().__init__(step, id_run, message)
        self.step = step
        self.id_run = id_run
        self.message = message

    def __str__(self) -> str:
        return f"step {self.step!r} of run {self.id_run} failed: {self.message}"


class CodecError(MltraqError):
    """The base of what the codec raises.

    Attributes:
        path: where the value is, such as `fields.model.layers[3]`.
    """

    def __init__(self, path: str, message: str) -> None:
        super().__init__(path, message)
        self.path = path
        self.message = message

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class UnsupportedTypeError(CodecError, TypeError):
    """A value can't be stored."""


class CorruptDataError(CodecError, ValueError):
    """Stored data can't be read back: it was damaged, or written by something else."""


class StorageError(MltraqError):
    """The database can't do what it was asked for."""


class NotFoundError(StorageError, LookupError):
    """What was asked for is not in the database."""


class AlreadyExistsError(StorageError, ValueError):
    """An experiment of that name is stored already.

    Attributes:
        name: the experiment's name.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"experiment {name!r} is stored already: persist(if_exists='replace') replaces it, "
            f"persist(if_exists='append') stores a new version beside it"
        )
        self.name = name


class ForeignDatabaseError(StorageError):
    """A file or database exists but was not made by this package; it was left as it is."""


class SchemaVersionError(StorageError):
    """The database was written by a newer version of this package, or by an older one and not upgraded yet.

    Attributes:
        found: schema version of the database.
        expected: the schema version that this package reads and writes.
    """

    def __init__(self, where: str, found: int, expected: int) -> None:
        what = (
            f"{where} has schema version {found}, this pytest-mltraq knows versions up to {expected}: "
            f"upgrade it with 'pip install --upgrade pytest-mltraq'"
        )
        if found < expected:
            what = (
                f"{where} has schema version {found}, this pytest-mltraq reads version {expected}: upgrade the database "
                f"with 'pytest-mltraq upgrade --db {where}', or store something in it"
            )
        super().__init__(what)
        self.found = found
        self.expected = expected


def near(name: str, known: Iterable[str]) -> str:
    """Say which known name is near a wrong one, or which names there are.

    Returns:
        A clause to end a message with, such as `did you mean 'model'?`.
    """
    import difflib  # not before: every pytest that starts imports this module

    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    more = f" and {len(names) - MANY:,} more" if len(names) > MANY else ""
    return f"there are: {', '.join(names[:MANY])}{more}" if names else "there are none"
