"""The types of this package: sequences and artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_mltraq.codec import artifacts, sequences

if TYPE_CHECKING:
    from pytest_mltraq.codec.decoder import Restorer
    from pytest_mltraq.codec.encoder import Writer

WRITERS: Final[dict[type, Writer]] = {**sequences.WRITERS, **artifacts.WRITERS}
RESTORERS: Final[dict[str, Restorer]] = {**sequences.RESTORERS, **artifacts.RESTORERS}
