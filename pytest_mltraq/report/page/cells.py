"""Stored values as cells of a page: numbers and short texts as they are, everything else as something that can be shown.

What is shown of a value that is no number, text or truth value is an entry of a list of its own, which cells refer to:
its type, a text, and where it has one the index of its image or curve.
"""

from __future__ import annotations

import base64
import contextlib
import reprlib
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from pytest_mltraq.artifact import Artifact
from pytest_mltraq.codec import Decoder, Home, Stored, dump_json
from pytest_mltraq.codec.text import readable
from pytest_mltraq.errors import CorruptDataError, StorageError
from pytest_mltraq.report.page.columns import NONE, Cell, odd_number
from pytest_mltraq.report.page.images import IMAGES, SEARCHED, image_type
from pytest_mltraq.report.page.limits import LeftOut, Limits
from pytest_mltraq.sequence import Sequence
from pytest_mltraq.storage.contents import Contents

if TYPE_CHECKING:
    from pytest_mltraq.report.page.curves import Curves

SHORT: Final = 160
"""Texts up to this length are cells themselves [characters]."""

SEQUENCE: Final = ["pytest_mltraq.sequence"]
"""What `types` calls a sequence."""

EXACT: Final = 1 << 53
"""The first integer of which JavaScript's numbers don't have all neighbours."""

HIDDEN_IMAGES: Final = "images that are larger than what is shown"
HIDDEN_CURVES: Final = "sequences without curves, because there is no room for more"
THINNED: Final = "curves that show fewer points than their sequences have"
HIDDEN_PREVIEWS: Final = "arrays, tables and other objects of which only the kind is shown"
CUT_TEXTS: Final = "long texts that are cut"


class _TooLong(BaseException):  # no error: it leaves the decoder, which would take an error for damage
    """An object is longer than what is read for a page."""

    def __init__(self, kind: str, size: int) -> None:
        super().__init__(kind, size)
        self.kind, self.size = kind, size


class Cells:
    """Makes cells of stored values.

    Args:
        contents: where objects are read.
        limits: how much of them is shown.
        left_out: takes what is not.
    """

    def __init__(self, contents: Contents, limits: Limits, left_out: LeftOut) -> None:
        self._contents, self._limits, self._left_out = contents, limits, left_out
        self._text, self._previews, self._image_room = limits.text, limits.previews, limits.images
        self._known: dict[str, int] = {}
        self._image_at: dict[bytes, int] = {}
        self._curves: Curves | None = None
        self._decoder = Decoder(self._load, home=Home(artifacts=contents.artifacts))
        self.more: list[dict[str, Any]] = []
        self.images: list[dict[str, str]] = []

    def named(self, document: Mapping[str, Any], types: Mapping[str, Any], path: str) -> dict[str, Cell]:
        """Make cells of the params, config or fields of something.

        Args:
            document: plain values by name.
            types: what JSON lost, by name.
            path: what they are.
        """
        return {name: self.cell(plain, types.get(name), f"{path}.{name}") for name, plain in document.items()}

    def cell(self, plain: Any, entry: list[Any] | None, path: str) -> Cell:
        """Make a cell of a value."""
        kind = type(plain)
        if entry is None or (entry[:1] == ["numpy.scalar"] and kind in (int, float, bool)):
            if kind is float or kind is bool:
                return plain
            if kind is int:
                return plain if -EXACT < plain < EXACT else str(plain)
            if plain is None:
                return NONE
            if kind is str and len(plain) <= SHORT and plain[:1] != "<":  # which may begin an image
                return plain
        elif entry[:1] == ["str"] and len(plain) <= SHORT:
            return plain
        return self._described(plain, entry, path)

    def text(self, text: str) -> str:
        """Cut a long text to what there is room for."""
        if len(text) <= SHORT:
            return text
        kept = max(SHORT, min(len(text), self._limits.longest_text, self._text))
        self._text -= kept
        if kept == len(text):
            return text
        self._left_out.add(CUT_TEXTS)
        return f"{text[:kept]}… ({len(text) - kept:,} more characters)"

    def encode_curves(self) -> list[dict[str, Any]]:
        """Encode the curves of the sequences that cells refer to."""
        if self._curves is None:
            return []
        encoded, thinned = self._curves.encode()
        self._left_out.add(HIDDEN_CURVES, self._curves.refused)
        self._left_out.add(THINNED, thinned)
        return encoded

    def _described(self, plain: Any, entry: list[Any] | None, path: str) -> Cell:
        key = dump_json([plain, entry])
        known = self._known.get(key)
        if known is not None:
            return ["more", known]
        if entry is not None and entry[:1] == SEQUENCE and self._curves is not None and self._curves.is_full:
            self._curves.refused += 1
            return self._refer(key, {"type": "Sequence", "text": ""})
        try:
            value = self._decoder.decode(plain, entry, path)
        except _TooLong as found:
            self._left_out.add(HIDDEN_PREVIEWS)
            described: Any = {"type": found.kind, "text": f"{found.size:,} bytes"}
        except CorruptDataError as error:
            described = {"type": "damaged", "text": self.text(readable(str(error)))}
        else:
            described = self._describe(value, plain)
        return self._refer(key, described) if isinstance(described, dict) else described

    def _refer(self, key: str, described: dict[str, Any]) -> Cell:
        """Return the cell that refers to what is shown of a value."""
        self._known[key] = len(self.more)
        self.more.append(described)
        return ["more", len(self.more) - 1]

    def _describe(self, value: Any, plain: Any) -> Any:
        """Describe a value: a cell where it is a number or short text, else what is shown of it."""
        if isinstance(value, float) or _is_scalar(value, "floating"):
            return odd_number(float(value)) or float(value)
        if isinstance(value, str | int) or _is_scalar(value, "generic"):
            return self._describe_text(value, readable(str(value)))
        if isinstance(value, bytes):
            return self._describe_bytes(value)
        if isinstance(value, Sequence):
            return self._describe_sequence(value)
        if isinstance(value, Artifact):
            return self._describe_artifact(value)
        if isinstance(plain, str | int | float):  # dates, decimals, paths, ...
            return self._describe_text(value, plain if isinstance(plain, str) else str(value))
        return self._describe_object(value)

    def _describe_text(self, value: Any, text: str) -> Any:
        image = image_type(text[:SEARCHED].encode("utf-8", "replace")) if isinstance(value, str) else None
        if image is not None:
            found = self._image(image, text.encode("utf-8", "replace"))
            return {"type": "str", "text": f"{image}, {len(text):,} characters"} | found
        if len(text) <= SHORT:
            return text
        return {"type": type(value).__name__, "text": self.text(text)}

    def _describe_bytes(self, value: bytes) -> dict[str, Any]:
        image = image_type(value)
        if image is not None:
            return {"type": "bytes", "text": f"{image}, {len(value):,} bytes"} | self._image(image, value)
        shown = repr(value[:32])[2:-1] + ("…" if len(value) > 32 else "")  # noqa: PLR2004 - as much as fits a line
        return {"type": "bytes", "text": f"{len(value):,} bytes: {shown}"}

    def _describe_artifact(self, value: Artifact) -> dict[str, Any]:
        """Describe a file or folder; of one that is called like an image, the image is read."""
        described: dict[str, Any] = {"type": "Artifact", "text": readable(repr(value)[len("Artifact(") : -1])}
        if value.is_folder or not value.name.lower().endswith(IMAGES):
            return described
        if value.size > min(self._limits.image, self._image_room):
            self._left_out.add(HIDDEN_IMAGES)
            return described
        try:
            data = value.read_bytes()
        except (StorageError, CorruptDataError) as error:
            return {**described, "text": self.text(readable(f"{described['text']}: {error}"))}
        image = image_type(data)
        return described if image is None else described | self._image(image, data)

    def _image(self, kind: str, data: bytes) -> dict[str, int]:
        """Take an image in; nothing where it is too large."""
        if data in self._image_at:
            return {"image": self._image_at[data]}
        if len(data) > min(self._limits.image, self._image_room):
            self._left_out.add(HIDDEN_IMAGES)
            return {}
        self._image_room -= len(data)
        self._image_at[data] = len(self.images)
        self.images.append({"type": kind, "data": base64.b64encode(data).decode()})
        return {"image": len(self.images) - 1}

    def _describe_sequence(self, value: Sequence) -> dict[str, Any]:
        from pytest_mltraq.report.page.curves import Curves

        self._curves = self._curves or Curves(self._limits.curves)
        described: dict[str, Any] = {
            "type": "Sequence",
            "text": self.text(readable(repr(value)[len("Sequence(") : -1])),
        }
        curve = self._curves.add(value)
        return described if curve is None else {**described, "curve": curve}

    def _describe_object(self, value: Any) -> dict[str, Any]:
        name = _type_name(value)
        if not isinstance(value, list | tuple | dict | set | frozenset):
            if self._previews <= 0:
                self._left_out.add(HIDDEN_PREVIEWS)
                return {"type": name, "text": ""}
            self._previews -= 1
        return {"type": name, "text": self.text(readable(_preview(value)))}

    def _load(self, digest: str) -> Stored:
        found = self._contents.object(digest, self._limits.longest_object)
        if found.data is None:
            raise _TooLong(found.kind, found.size)
        return Stored(found.kind, found.data)


def _is_scalar(value: Any, kind: str) -> bool:
    """Whether a value is one of NumPy's scalars; where NumPy isn't imported it can't be one."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, getattr(numpy, kind)) and not isinstance(value, numpy.void)


def _type_name(value: Any) -> str:
    """Name a type, with dtype and shape or length: `ndarray float64 (3, 4)`, `list of 5`."""
    name = type(value).__name__
    if isinstance(value, list | tuple | dict | set | frozenset):
        return f"{name} of {len(value):,}"
    dtype, shape = getattr(value, "dtype", ""), getattr(value, "shape", "")
    return " ".join(part for part in (name, readable(str(dtype))[:SHORT], str(shape)) if part)


def _preview(value: Any) -> str:
    """Write a value, of a large one its beginning and end."""
    if isinstance(value, list | tuple | dict | set | frozenset):
        return _SHORTER.repr(value)
    return _WHOLE.repr_instance(value, 0)


@contextlib.contextmanager
def _shorter_tables() -> Iterator[None]:
    """Have NumPy and pandas write large arrays and tables in a few lines."""
    with contextlib.ExitStack() as stack:
        if numpy := sys.modules.get("numpy"):
            stack.enter_context(numpy.printoptions(threshold=120, edgeitems=3, linewidth=100))
        if pandas := sys.modules.get("pandas"):
            stack.enter_context(
                pandas.option_context("display.max_rows", 12, "display.max_columns", 12, "display.width", 100)
            )
        yield


class _Shorter(reprlib.Repr):
    """Writes containers up to a length, so that a huge one is never written as a whole."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 6
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 100
        self.maxstring = self.maxlong = 1000
        self.maxother = 200

    def repr_instance(self, x: Any, level: int) -> str:
        """Write what is no container: arrays in a few lines; what its library fails to write, such as a huge one, by its type."""
        with _shorter_tables():
            return super().repr_instance(x, level)


_SHORTER: Final = _Shorter()
_WHOLE: Final = _Shorter()
_WHOLE.maxother = sys.maxsize
