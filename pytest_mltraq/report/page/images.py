"""Images among values: found by how they begin, whatever they are called."""

from __future__ import annotations

import re
from typing import Final

_SIGNATURES: Final = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (
        re.compile(rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg[\s>]", re.DOTALL),
        "image/svg+xml",
    ),
)
IMAGES: Final = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg")
"""How the names of files end that are looked into."""

SEARCHED: Final = 4096
"""How far the beginning of an SVG is searched for [bytes]; programs write licences and dates before it."""


def image_type(data: bytes) -> str | None:
    """Return the media type of an image that a browser shows; None where the data is no such image."""
    head = data[:SEARCHED]
    return next((kind for pattern, kind in _SIGNATURES if pattern.match(head)), None)
