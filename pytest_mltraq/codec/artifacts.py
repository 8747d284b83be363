"""Artifacts: ``{"name": ..., "size": ..., "sha256": ...}`` in the document, ``["pytest_mltraq.artifact", name]`` in types.

The object, of kind `artifact`, is JSON and says what the artifact is made of:
``{"folder": true, "files": [[path, size, sha256], ...], "empty": [path, ...]}``, with sizes in bytes, in the order of the paths; the path of a
file that is no part of a folder is ``""``. The files themselves are where artifacts are kept; see `artifact_store`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from pytest_mltraq.artifact import Artifact, Listing, check_member
from pytest_mltraq.artifact_store import SHA256, Content
from pytest_mltraq.codec.encoder import ARTIFACT
from pytest_mltraq.errors import ConfigurationError, CorruptDataError, StorageError, UnsupportedTypeError

if TYPE_CHECKING:
    from pytest_mltraq.codec.decoder import Decoder, Restorer
    from pytest_mltraq.codec.encoder import Encoder, Writer
    from pytest_mltraq.codec.forms import Buffer, Pair

KIND: Final = "artifact"


def _encode_artifact(encoder: Encoder, value: Artifact, path: str) -> Pair:
    try:
        listing = value.keep(encoder.home.artifacts)
    except (OSError, StorageError, ConfigurationError) as error:
        raise UnsupportedTypeError(path, str(error)) from error
    plain = {"name": value.name, "size": listing.size, "sha256": listing.sha256}
    return plain, encoder.link(ARTIFACT, KIND, lambda: [write_listing(listing)])


def _decode_artifact(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> Artifact:
    listing = read_listing(decoder.linked(arguments[0], KIND), path)
    if (plain["size"], plain["sha256"]) != (listing.size, listing.sha256):
        message = "the document and the list of its files differ"
        raise ValueError(message)
    return Artifact.stored(plain["name"], listing, decoder.home.artifacts, path)


def write_listing(listing: Listing) -> bytes:
    """Write what an artifact is made of as JSON."""
    files = [[path, *content] for path, content in listing.files.items()]
    return orjson.dumps({"folder": listing.is_folder, "files": files, "empty": listing.empty})


def read_listing(data: Buffer, path: str) -> Listing:
    """Read what `write_listing` wrote.

    Args:
        data: the bytes of the object.
        path: what it is of, for errors.

    Raises:
        CorruptDataError: it is damaged, or has a path that leads out of its folder.
    """
    try:
        return _read_listing(orjson.loads(data))
    except (ValueError, TypeError, LookupError) as error:
        message = f"expected the list of an artifact's files, found damaged data ({type(error).__name__}: {error})"
        raise CorruptDataError(path, message) from error


def _read_listing(found: Any) -> Listing:
    listing = Listing(
        found["folder"],
        {path: Content(size, sha256) for path, size, sha256 in found["files"]},
        tuple(found["empty"]),
    )
    if not listing.is_folder and (listing.files.keys() != {""} or listing.empty):
        message = f"expected one file, found {len(listing.files)}"
        raise ValueError(message)
    for path in (*listing.files, *listing.empty) if listing.is_folder else ():
        check_member(path)
    for size, sha256 in listing.files.values():
        if type(size) is not int or size < 0 or not SHA256.fullmatch(sha256):
            message = f"expected a size and a SHA-256, found {size!r} and {sha256!r}"
            raise ValueError(message)
    return listing


WRITERS: Final[dict[type, Writer]] = {Artifact: _encode_artifact}
RESTORERS: Final[dict[str, Restorer]] = {ARTIFACT: _decode_artifact}
