"""Artifacts: files and folders that are kept outside the database, whole and by their content."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from pytest_mltraq.artifact_store import ChangedError, Content, measure
from pytest_mltraq.counting import counted
from pytest_mltraq.errors import ConfigurationError, CorruptDataError, NotFoundError, near

if TYPE_CHECKING:
    from pytest_mltraq.artifact_store import ArtifactStore


class Listing(NamedTuple):
    """What an artifact is made of.

    Attributes:
        is_folder: whether it is a folder; a file is one with the path `""`.
        files: the content of each file, by its path in the folder, with `/` between its parts; in order.
        empty: paths of folders that have nothing in them.
    """

    is_folder: bool
    files: dict[str, Content]
    empty: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The size of all files [bytes]."""
        return sum(content.size for content in self.files.values())

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file; of a folder that of what `sha256sum` says of its files, a line each, by path.

        An empty folder is a line of its path and `/`.
        """
        if not self.is_folder:
            return self.files[""].sha256
        lines = [f"{content.sha256}  {path}\n" for path, content in self.files.items()]
        lines += [f"{path}/\n" for path in self.empty]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


_State = tuple[Path, str, "ArtifactStore | None", Listing | None, str]


class Artifact:
    """A file or folder that is kept outside the database; the run's fields have its name, size and SHA-256.

    It is copied when the run ends (in a program: when the experiment is persisted), beside the database in the folder `<db>.artifacts`,
    or where `mltraq_artifacts` says. What is read of it later is checked against its size and SHA-256.

    Args:
        path: the file or folder. Of a folder names and contents are kept; links to files are kept as files.

    Attributes:
        name: its name, without the folders before it.

    Raises:
        FileNotFoundError: there is nothing at the path.
    """

    __slots__ = ("_listing", "_path", "_store", "_where", "name")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).absolute()
        self._where = str(self._path)
        self._store: ArtifactStore | None = None
        self._listing: Listing | None = None
        self.name = check_name(Path(os.path.normpath(self._path)).name)
        self.check()

    @classmethod
    def stored(cls, name: str, listing: Listing, store: ArtifactStore | None, where: str) -> Artifact:
        """Make an artifact of what is stored of it.

        Args:
            name: its name.
            listing: what it is made of.
            store: where it is kept.
            where: the path of the field, for errors.
        """
        artifact = cls.__new__(cls)
        artifact.__setstate__((Path(name), where, store, listing, check_name(name)))
        return artifact

    def check(self) -> None:
        """Find out whether the file or folder is there, where it was not kept yet.

        Raises:
            FileNotFoundError: it is not.
        """
        if self._listing is None and not self._path.exists():
            message = f"expected a file or folder at {self._path}, found nothing: write it before, and leave it there until it is stored"
            raise FileNotFoundError(message)

    def keep(self, store: ArtifactStore | None) -> Listing:
        """Keep it in a store, unless it is there; returns what it is made of.

        Args:
            store: the store; None only looks at the contents.

        Raises:
            OSError: a file can't be read.
            StorageError: the store can't be written.
            ValueError: a file has a name, or is of a kind, that can't be kept.
        """
        if self._listing is None:
            listing = self._look(store)
            if store is None:
                return listing
            self._listing = listing
        elif store is None or store == self._store:
            return self._listing
        elif self._store is not None:
            for content in self._listing.files.values():
                store.copy(content, self._store)
        self._store = store
        return self._listing

    def _look(self, store: ArtifactStore | None) -> Listing:
        self.check()
        if not self._path.is_dir():
            return Listing(is_folder=False, files={"": _content(self._path, store)})
        files, empty = {}, []
        for path, file in sorted(_walk(self._path)):
            check_member(path)
            if file is None:
                empty.append(path)
            else:
                files[path] = _content(file, store)
        return Listing(is_folder=True, files=files, empty=tuple(empty))

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self._path.is_dir() if self._listing is None else self._listing.is_folder

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of the files in a folder, with `/` between their parts, in order; of a file there are none."""
        return tuple(path for path in self.keep(None).files if path)

    @property
    def size(self) -> int:
        """The size of all its files [bytes]."""
        return self.keep(None).size

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file, in hexadecimal digits; of a folder, that of the lines of `sha256sum` for its files, by path."""
        return self.keep(None).sha256

    @contextlib.contextmanager
    def open(self, file: str = "") -> Iterator[IO[bytes]]:
        """Open it, or one of the files of a folder, for reading bytes.

        It is read once before, to check it; where that is too slow, `download` it.

        Args:
            file: the path of a file in the folder.

        Raises:
            NotFoundError: it was removed, or the folder has no such file.
            CorruptDataError: it was changed since it was stored.
            StorageError: where it is kept can't be read.
        """
        content = self._find(file)
        with self._opened(file, content) as stream:
            self._compare(file, content, measure(stream))
            stream.seek(0)
            yield stream

    def read_bytes(self, file: str = "") -> bytes:
        """Return its bytes, or those of one of the files of a folder; see `open`."""
        content = self._find(file)
        with self._opened(file, content) as stream:
            data = stream.read()
        self._compare(file, content, Content(len(data), hashlib.sha256(data).hexdigest()))
        return data

    def download(self, folder: str | os.PathLike[str]) -> Path:
        """Copy it into a folder, which is made where it is missing; it is there whole and checked, or not at all.

        Returns:
            The path of the copy, which has the artifact's name.

        Raises:
            FileExistsError: there is something of that name.
            NotFoundError: it was removed.
            CorruptDataError: it was changed since it was stored.
            StorageError: where it is kept can't be read.
        """
        target = Path(folder).absolute() / self.name
        if target.exists() or target.is_symlink():
            message = f"{target} is there already: remove it, or name another folder"
            raise FileExistsError(message)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.parent / f".{uuid.uuid4()}"
        try:
            self._write(partial)
            partial.rename(target)
        finally:
            if partial.is_dir():
                shutil.rmtree(partial)
            partial.unlink(missing_ok=True)
        return target

    def _write(self, target: Path) -> None:
        listing = self.keep(None)
        if listing.is_folder:
            target.mkdir()
        for path in listing.empty:
            (target / check_member(path)).mkdir(parents=True)
        for path, content in listing.files.items():
            file = target / check_member(path) if path else target
            file.parent.mkdir(parents=True, exist_ok=True)
            with self._opened(path, content) as stream, file.open("xb") as copy:
                self._compare(path, content, measure(stream, copy))

    def _find(self, file: str) -> Content:
        listing = self.keep(None)
        if file not in listing.files:
            what = "is a folder: name one of its files" if not file else f"has no file {file!r}"
            message = f"artifact {self.name!r} {what}; {near(file, filter(None, listing.files))}"
            raise NotFoundError(message)
        return listing.files[file]

    @contextlib.contextmanager
    def _opened(self, file: str, content: Content) -> Iterator[IO[bytes]]:
        if self._listing is None:
            with (self._path / file if file else self._path).open("rb") as stream:
                yield stream
            return
        if self._store is None:
            message = (
                f"{self._where}: it is not known where artifact {self.name!r} is kept: load the run with a session"
            )
            raise NotFoundError(message)
        try:
            with self._store.open(content) as stream:
                yield stream
        except ChangedError as error:
            raise self._changed(file, str(error)) from error
        except NotFoundError as error:
            message = f"{self._where}: artifact {self.name!r} is missing: {error}"
            raise NotFoundError(message) from error

    def _compare(self, file: str, expected: Content, found: Content) -> None:
        if found != expected:
            message = (
                f"expected {expected.size:,} bytes of SHA-256 {expected.sha256}, found {found.size:,} of {found.sha256}"
            )
            raise self._changed(file, message)

    def _changed(self, file: str, message: str) -> CorruptDataError:
        which = f"{self.name}/{file}" if file else self.name
        return CorruptDataError(self._where, f"artifact {which!r} was changed since it was stored: {message}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Artifact):
            return NotImplemented
        return self.name == other.name and self.keep(None) == other.keep(None)

    __hash__ = None  # type: ignore[assignment] # its file may change until it is stored

    def __getstate__(self) -> _State:
        return self._path, self._where, self._store, self._listing, self.name

    def __setstate__(self, state: _State) -> None:
        self._path, self._where, self._store, self._listing, self.name = state

    def __deepcopy__(self, memo: dict[int, Any]) -> Artifact:
        return self

    def __repr__(self) -> str:
        if self._listing is None:
            return f"Artifact({self._where!r})"
        if not self._listing.is_folder:
            return f"Artifact({self.name!r}, {counted(self.size, 'byte')})"
        return f"Artifact({self.name + '/'!r}, {counted(len(self.files), 'file')}, {counted(self.size, 'byte')})"


def check_name(name: str) -> str:
    """Return a name that is one of a file or folder, and nothing else.

    Raises:
        ConfigurationError: it is not.
    """
    if "/" in name:
        message = f"expected the name of a file, found {name!r}"
        raise ConfigurationError(message)
    return check_member(name)


def check_member(path: str) -> str:
    """Return a path that stays in its folder.

    Raises:
        ConfigurationError: it leads out of it, or is none.
    """
    pure = PurePosixPath(path)
    is_odd = any(ord(letter) < 0x20 or 0xD800 <= ord(letter) < 0xE000 for letter in path)  # noqa: PLR2004 - Unicode's
    if not path or is_odd or "\\" in path or str(pure) != path or pure.is_absolute() or {".", ".."} & {*pure.parts}:
        message = f"expected the path of a file in its folder, found {path!r}: it can't be part of an artifact"
        raise ConfigurationError(message)
    return path


def _walk(folder: Path) -> Iterator[tuple[str, Path | None]]:
    """Yield the files of a folder and its folders that are empty, with their paths in it; of those the file is None.

    Raises:
        OSError: one can't be read.
        ConfigurationError: there is something that is neither a file nor a folder.
    """

    def stop(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(folder, onerror=stop):
        here = Path(place)
        for link in (here / name for name in folders):
            if link.is_symlink():
                message = (
                    f"{link} is a link to a folder, which can't be part of an artifact: put the folder in its place"
                )
                raise ConfigurationError(message)
        if not folders and not names and here != folder:
            yield here.relative_to(folder).as_posix(), None
        for file in (here / name for name in names):
            if not file.is_file():
                message = f"{file} is no file (or a link to nothing), and can't be part of an artifact"
                raise ConfigurationError(message)
            yield file.relative_to(folder).as_posix(), file


def _content(file: Path, store: ArtifactStore | None) -> Content:
    if store is not None:
        return store.add(file)
    with file.open("rb") as stream:
        return measure(stream)
