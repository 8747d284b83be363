"""Where artifacts are kept: a folder, or any place that fsspec reaches, with a file for each distinct content.

A file is called by the SHA-256 of its content, `<store>/<first two digits>/<digest>`, so that equal content is kept once and no
name in the data can lead out of the store. Files are written under another name first: who reads never finds half of one.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import hashlib
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from pytest_mltraq.errors import ConfigurationError, MltraqError, NotFoundError, StorageError
from pytest_mltraq.passwords import without_password

if TYPE_CHECKING:
    import fsspec

PIECE: Final = 2**20
"""How much of a file is in memory at a time [bytes]."""

Files = dict[str, tuple[int, datetime.datetime | None]]
"""What a store has: the SHA-256 of each file, its size [bytes] and when it was kept, where the place tells."""

SHA256: Final = re.compile(r"[0-9a-f]{64}")
"""What a SHA-256 looks like."""


class Content(NamedTuple):
    """What identifies a file's content.

    Attributes:
        size: its length [bytes].
        sha256: its SHA-256, in hexadecimal digits.
    """

    size: int
    sha256: str


class ChangedError(Exception):
    """A file has another content than it should."""


class ArtifactStore:
    """Keeps files by their content.

    Args:
        where: the path of a folder, which is made when the first file is kept, or a URL that fsspec knows. None keeps nothing:
            using it says that a place must be named.

    Attributes:
        where: the path or URL, without a password.
    """

    def __init__(self, where: str | None) -> None:
        self._where = where
        self.where = "" if where is None else without_password(where)

    def __repr__(self) -> str:
        return f"ArtifactStore({self.where!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ArtifactStore) and self._where is not None and self._where == other._where

    def __hash__(self) -> int:
        return hash(self._where)

    def __getstate__(self) -> dict[str, Any]:
        return {"_where": self._where, "where": self.where}

    @functools.cached_property
    def _place(self) -> tuple[fsspec.AbstractFileSystem, str]:
        """The file system, and the store's folder in it.

        Raises:
            ConfigurationError: no store is named, its scheme is unknown, or what serves it isn't installed.
        """
        import fsspec.core

        if self._where is None:
            message = (
                "expected a place for artifacts, found none (they are kept beside a SQLite file, else where you say): name one "
                "with the ini key mltraq_artifacts, --mltraq-artifacts or create_session(..., artifacts=PATH or URL)"
            )
            raise ConfigurationError(message)
        if "://" not in self._where:
            return fsspec.filesystem("file"), str(Path(self._where).absolute())
        with self._named():
            system, root = fsspec.core.url_to_fs(self._where, use_listings_cache=False)
        return system, root.rstrip("/")

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Turn what fsspec raises of a URL into the error that says so."""
        try:
            yield
        except (ValueError, ImportError, TypeError) as error:
            message = f"artifacts can't be kept in {self.where}: {without_password(str(error))}"
            raise ConfigurationError(message) from error

    def check(self) -> None:
        """Find out whether the store is a place that fsspec knows; it is not reached for that.

        Raises:
            ConfigurationError: it isn't.
        """
        if self._where is not None and "://" in self._where:
            import fsspec.core

            with self._named():
                for part in self._where.split("::"):
                    fsspec.get_filesystem_class(fsspec.core.split_protocol(part)[0] or part)

    def add(self, file: Path) -> Content:
        """Keep a file; of a content that is there already nothing is written.

        Raises:
            StorageError: the store can't be written, or the file changed meanwhile.
            OSError: the file can't be read.
        """
        with file.open("rb") as stream:
            content = measure(stream)
            stream.seek(0)
            self._keep(stream, content, str(file))
        return content

    def copy(self, content: Content, source: ArtifactStore) -> None:
        """Keep what another store has.

        Raises:
            NotFoundError: it has no file of this content.
            StorageError: one of the stores can't be used, or the file is damaged.
        """
        if source != self:
            with source.open(content) as stream:
                self._keep(stream, content, f"{content.sha256} in {source.where}")

    def _keep(self, stream: IO[bytes], content: Content, name: str) -> None:
        with self._used("written") as (system, root):
            place, partial = _path(root, content.sha256), f"{root}/partial/{uuid.uuid4()}"
            if _is_there(system, place, content):
                return
            system.makedirs(f"{root}/partial", exist_ok=True)
            try:
                with system.open(partial, "wb") as target:
                    found = measure(stream, target)
                if found == content:
                    system.makedirs(place.rpartition("/")[0], exist_ok=True)
                    system.mv(partial, place)
            finally:
                if system.exists(partial):
                    system.rm_file(partial)
        if found != content:
            message = f"{name} changed while it was kept as an artifact: nothing was stored of it"
            raise StorageError(message)

    @contextlib.contextmanager
    def open(self, content: Content) -> Iterator[IO[bytes]]:
        """Open a file that is kept, unchecked but for its size.

        Raises:
            NotFoundError: there is none of this content.
            ChangedError: it has another size.
            StorageError: the store can't be read.
        """
        with self._used("read") as (system, root):
            place = _path(root, content.sha256)
            try:
                size = system.info(place)["size"]
                stream = system.open(place, "rb")
            except FileNotFoundError as error:
                message = (
                    f"{self.where} has no file {place.rpartition('/')[2]}: it was removed, or artifacts are kept elsewhere: name the "
                    f"place with the ini key mltraq_artifacts, $MLTRAQ_ARTIFACTS or create_session(..., artifacts=PATH or URL)"
                )
                raise NotFoundError(message) from error
        with stream:
            if size != content.size:
                message = f"expected {content.size:,} bytes, found {size:,}"
                raise ChangedError(message)
            yield stream

    def files(self) -> Files:
        """Return what is kept."""
        with self._used("read") as (system, root):
            found = system.find(root, detail=True) if system.exists(root) else {}
            names = {path.rpartition("/")[2]: (path, info["size"]) for path, info in found.items()}
            kept = {name: entry for name, entry in names.items() if SHA256.fullmatch(name)}
            return {name: (size, _modified(system, path)) for name, (path, size) in kept.items()}

    def remove(self, sha256: str) -> None:
        """Remove the file of a content.

        Raises:
            StorageError: the store can't be written.
        """
        with self._used("written") as (system, root):
            system.rm_file(_path(root, sha256))

    @contextlib.contextmanager
    def _used(self, how: str) -> Iterator[tuple[fsspec.AbstractFileSystem, str]]:
        """Use the file system; what it raises becomes one error, since each has exceptions of its own, of no common base."""
        try:
            yield self._place
        except MltraqError:
            raise
        except Exception as error:
            message = (
                f"artifacts in {self.where} can't be {how}: {without_password(str(error)) or type(error).__name__}"
            )
            raise StorageError(message) from error


def _path(root: str, sha256: str) -> str:
    if not SHA256.fullmatch(sha256):
        message = f"expected a SHA-256, found {sha256[:80]!r}"
        raise ConfigurationError(message)
    return f"{root}/{sha256[:2]}/{sha256}"


def _is_there(system: fsspec.AbstractFileSystem, place: str, content: Content) -> bool:
    """Whether a file is kept already; its time is then that of now, so that no `prune` takes it for an old one."""
    try:
        if system.info(place)["size"] != content.size:
            return False
        system.touch(place, truncate=False)
    except (FileNotFoundError, NotImplementedError, ValueError):
        return False
    return True


def measure(stream: IO[bytes], target: IO[bytes] | None = None) -> Content:
    """Read a stream to its end, in pieces, and return its size and digest; what is read is written to the target."""
    digest, size = hashlib.sha256(), 0
    while piece := stream.read(PIECE):
        digest.update(piece)
        size += len(piece)
        if target is not None:
            target.write(piece)
    return Content(size, digest.hexdigest())


def _modified(system: fsspec.AbstractFileSystem, path: str) -> datetime.datetime | None:
    try:
        found: datetime.datetime = system.modified(path)
    except NotImplementedError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
