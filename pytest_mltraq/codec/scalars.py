"""Single values of Python's standard library that JSON doesn't have.

=====================  ==================================  =============================================
type                   in the document                     in types
=====================  ==================================  =============================================
str with NUL or lone   U+FFFD in their place               ``["str", base64 of UTF-8 with surrogates]``
surrogates
bytes                  null                                ``["bytes", base64]``; longer than 1 KiB: ``["bytes_object", name]``
complex                its text                            ``["complex", real, imaginary]`` as float bits
Decimal                its text                            ``["decimal"]``
Fraction               its text                            ``["fraction", numerator, denominator]``
UUID                   its text                            ``["uuid"]``
date, time, datetime   ISO 8601                            ``["date"]``, ``["time" or "datetime", fold, zone]``
timedelta              total seconds                       ``["timedelta", days, seconds, microseconds]``
Path, PurePath         its text                            ``["path", class]``
=====================  ==================================  =============================================

How a zone is kept is said in `zones`.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import fractions
import pathlib
import struct
import uuid
from typing import TYPE_CHECKING, Any, Final

from pytest_mltraq.codec.forms import look_up
from pytest_mltraq.codec.text import readable
from pytest_mltraq.codec.zones import with_zone, zone_of

if TYPE_CHECKING:
    from pytest_mltraq.codec.decoder import Decoder, Restorer
    from pytest_mltraq.codec.encoder import Encoder, Writer
    from pytest_mltraq.codec.forms import Pair

LONGEST_NUMBER: Final = 4000
"""Numbers with more bits have no text: Python limits how long it takes to write one."""

SHORT: Final = 1024
"""Bytes up to this length stay in the document's types; longer ones become an object."""

_PATHS: Final = {
    kind.__name__: kind
    for kind in (
        pathlib.PurePosixPath,
        pathlib.PureWindowsPath,
        pathlib.PosixPath,
        pathlib.WindowsPath,
    )
}


def _encode_str(encoder: Encoder, value: str, path: str) -> Pair:
    return readable(value), ["str", base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()]


def _decode_str(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> str:
    return base64.b64decode(arguments[0], validate=True).decode("utf-8", "surrogatepass")


def _encode_bytes(encoder: Encoder, value: bytes, path: str) -> Pair:
    if len(value) <= SHORT:
        return None, ["bytes", base64.b64encode(value).decode()]
    return None, ["bytes_object", encoder.add("bytes", lambda: [value])]


def _decode_bytes(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> bytes:
    return base64.b64decode(arguments[0], validate=True)


def _encode_complex(encoder: Encoder, value: complex, path: str) -> Pair:
    return str(value), ["complex", struct.pack("<dd", value.real, value.imag).hex()]


def _decode_complex(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> complex:
    return complex(*struct.unpack("<dd", bytes.fromhex(arguments[0])))


def _encode_datetime(encoder: Encoder, value: datetime.datetime | datetime.time, path: str) -> Pair:
    name = type(value).__name__
    return value.isoformat(), [name, value.fold, zone_of(value, f"{path}.tzinfo")]


def _encode_fraction(encoder: Encoder, value: fractions.Fraction, path: str) -> Pair:
    digits = value.numerator.bit_length() + value.denominator.bit_length()
    text = str(value) if digits < LONGEST_NUMBER else None
    return text, ["fraction", hex(value.numerator), hex(value.denominator)]


def _decode_fraction(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> fractions.Fraction:
    numerator, denominator = arguments
    return fractions.Fraction(int(numerator, 16), int(denominator, 16))


def _decode_datetime(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> datetime.datetime:
    fold, zone = arguments
    moment: datetime.datetime = with_zone(datetime.datetime.fromisoformat(plain).replace(tzinfo=None), zone)
    return moment.replace(fold=fold)


def _decode_time(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> datetime.time:
    fold, zone = arguments
    time: datetime.time = with_zone(datetime.time.fromisoformat(plain).replace(tzinfo=None), zone)
    return time.replace(fold=fold)


def _encode_timedelta(encoder: Encoder, value: datetime.timedelta, path: str) -> Pair:
    return value.total_seconds(), ["timedelta", value.days, value.seconds, value.microseconds]


def _encode_path(encoder: Encoder, value: pathlib.PurePath, path: str) -> Pair:
    text, entry = encoder.encode(str(value), path)
    return text, ["path", type(value).__name__, entry]


def _decode_path(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> pathlib.PurePath:
    name, entry = arguments
    kind = look_up(_PATHS, name, "kind of path")
    text = decoder.decode(plain, entry, path)
    try:
        return kind(text)
    except NotImplementedError:  # the path of another operating system
        return _PATHS[f"Pure{name}"](text)


WRITERS: Final[dict[type, Writer]] = {
    str: _encode_str,
    bytes: _encode_bytes,
    complex: _encode_complex,
    decimal.Decimal: lambda encoder, value, path: (str(value), ["decimal"]),
    fractions.Fraction: _encode_fraction,
    uuid.UUID: lambda encoder, value, path: (str(value), ["uuid"]),
    datetime.date: lambda encoder, value, path: (value.isoformat(), ["date"]),
    datetime.time: _encode_datetime,
    datetime.datetime: _encode_datetime,
    datetime.timedelta: _encode_timedelta,
    **dict.fromkeys(_PATHS.values(), _encode_path),
}
RESTORERS: Final[dict[str, Restorer]] = {
    "str": _decode_str,
    "bytes": _decode_bytes,
    "complex": _decode_complex,
    "decimal": lambda decoder, plain, arguments, path: decimal.Decimal(plain),
    "fraction": _decode_fraction,
    "uuid": lambda decoder, plain, arguments, path: uuid.UUID(plain),
    "date": lambda decoder, plain, arguments, path: datetime.date.fromisoformat(plain),
    "time": _decode_time,
    "datetime": _decode_datetime,
    "timedelta": lambda decoder, plain, arguments, path: datetime.timedelta(*arguments),
    "path": _decode_path,
    "bytes_object": lambda decoder, plain, arguments, path: bytes(decoder.data(arguments[0], "bytes")),
}
