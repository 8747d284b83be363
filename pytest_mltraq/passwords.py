"""Passwords in URLs, which are never shown and never stored."""

from __future__ import annotations

import re
from typing import Final

_URL_PASSWORD: Final = re.compile(r"(\w[\w+.-]*://[^\s/:@?]*):(?!\d+/)\S*@")
_QUERY_PASSWORD: Final = re.compile(r"([?&][\w.-]*(?:pass|secret|token)[\w.-]*=)[^\s&#]*", re.IGNORECASE)


def without_password(text: str) -> str:
    """Replace the passwords of URLs in a text, before the host and in the query.

    Example:
        >>> without_password("postgresql://ann:secret@db/x?sslpassword=secret")
        'postgresql://ann:***@db/x?sslpassword=***'
    """
    return _QUERY_PASSWORD.sub(r"\1***", _URL_PASSWORD.sub(r"\1:***@", text))
