"""Time zones, of Python and of pytz.

============================  =============================================
type                          stored as
============================  =============================================
None                          null
ZoneInfo with a key           the key
timezone                      ``[offset, name]``, the name only where it has one
pytz: a zone, UTC             ``{"pytz": name}``
pytz: a zone at some offset   ``{"pytz": name, "offset": offset}``
pytz: FixedOffset             ``{"pytz": minutes}``
============================  =============================================

Offsets are in microseconds. Zones of other types are refused.
"""

from __future__ import annotations

import datetime
import json
import zoneinfo
from typing import Any, Final

from pytest_mltraq.errors import UnsupportedTypeError

_MICROSECOND: Final = datetime.timedelta(microseconds=1)


def encode_zone(zone: datetime.tzinfo | None, path: str) -> Any:
    """Return what restores a time zone.

    Raises:
        UnsupportedTypeError: it is of another type.
    """
    if zone is None:
        return None
    if type(zone) is zoneinfo.ZoneInfo and zone.key is not None:
        return zone.key
    if type(zone) is datetime.timezone:
        offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]
        return [offset // _MICROSECOND, *map(_encode_name, name)]
    if type(zone).__module__.partition(".")[0] == "pytz":
        return _encode_pytz(zone)
    message = (
        f"time zones of type {type(zone).__qualname__} can't be stored: use zoneinfo.ZoneInfo or datetime.timezone"
    )
    raise UnsupportedTypeError(path, message)


def _encode_pytz(zone: Any) -> dict[str, Any]:
    return {"pytz": zone.utcoffset(None) // datetime.timedelta(minutes=1) if zone.zone is None else zone.zone}


def zone_of(moment: datetime.datetime | datetime.time, path: str) -> Any:
    """Return what restores the time zone of a moment; pytz has a zone object for each offset of a zone.

    Raises:
        UnsupportedTypeError: it is of another type, or one of pytz that this moment doesn't have.
    """
    stored = encode_zone(moment.tzinfo, path)
    if not isinstance(stored, dict) or decode_zone(stored) is moment.tzinfo:
        return stored
    offset = moment.utcoffset()
    if offset is not None:
        stored["offset"] = offset // _MICROSECOND
        if with_zone(moment.replace(tzinfo=None), stored).tzinfo is moment.tzinfo:
            return stored
    message = f"{moment!r} has a zone of pytz that doesn't fit: make it by localize or normalize of the zone"
    raise UnsupportedTypeError(path, message)


def decode_zone(stored: Any) -> datetime.tzinfo | None:
    """Restore what `encode_zone` returned; a zone of pytz at some offset as the zone itself."""
    if stored is None:
        return None
    if isinstance(stored, str):
        return zoneinfo.ZoneInfo(stored)
    if isinstance(stored, dict):
        import pytz

        name = stored["pytz"]
        zone: datetime.tzinfo = pytz.FixedOffset(name) if isinstance(name, int) else pytz.timezone(name)
        return zone
    offset, *name = stored
    if offset == 0 and not name:
        return datetime.UTC
    return datetime.timezone(offset * _MICROSECOND, *map(_decode_name, name))


def _encode_name(name: str) -> str:
    """Write a name as JSON in itself, because it may be any text; or as a list of its bytes, where JSON joins surrogates."""
    text = json.dumps(name)
    return text if json.loads(text) == name else json.dumps([name.encode("utf-8", "surrogatepass").hex()])


def _decode_name(text: str) -> str:
    found = json.loads(text)
    return bytes.fromhex(found[0]).decode("utf-8", "surrogatepass") if isinstance(found, list) else found


def with_zone(moment: Any, stored: Any) -> Any:
    """Give a time without zone the zone that `encode_zone` returned."""
    zone = decode_zone(stored)
    if zone is None or not isinstance(stored, dict) or "offset" not in stored:
        return moment.replace(tzinfo=zone)
    if not isinstance(moment, datetime.datetime):
        message = "a time without date has no offset in a zone of pytz"
        raise TypeError(message)
    return zone.fromutc(moment - stored["offset"] * _MICROSECOND)
