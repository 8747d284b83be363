"""The HTML document: styles, scripts and data in one file, with a policy that lets nothing else run or load."""

from __future__ import annotations

import base64
import datetime
import hashlib
import html
import importlib.metadata
import importlib.resources
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple

import orjson

from pytest_mltraq.report.page.modules import join_modules, shorten

_UNSAFE: Final = {
    b"<": b"\\u003c",
    b">": b"\\u003e",
    b"&": b"\\u0026",
    "\u2028".encode(): b"\\u2028",
    "\u2029".encode(): b"\\u2029",
}
"""What HTML would take for markup, and scripts for the end of a line; in JSON these are in texts only."""


_MARK: Final = re.compile(r"{{(\w+)}}")


class _Assets(NamedTuple):
    template: str
    style: str
    chart: str
    script: str


def make_document(content: Mapping[str, Any], database: str) -> str:
    """Make the document.

    Args:
        content: what it shows, made by `gather`.
        database: where that is from.
    """
    assets = _load_assets()
    described = {
        **content,
        "database": database,
        "generated": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "program": f"pytest-mltraq {importlib.metadata.version('pytest-mltraq')}",
    }
    parts = {
        "policy": _policy(assets),
        "style": assets.style,
        "summary": _summary(described),
        "data": embed_json(described),
        "chart": assets.chart,
        "script": assets.script,
    }
    # What was filled in is not searched again: data may have braces.
    return _MARK.sub(lambda mark: parts[mark[1]], assets.template)


def embed_json(value: Any) -> str:
    """Write JSON that is safe in the text of a script element, whatever texts are in it."""
    data = orjson.dumps(value)
    for unsafe, escaped in _UNSAFE.items():
        data = data.replace(unsafe, escaped)
    return data.decode()


@cache
def _load_assets() -> _Assets:
    folder = importlib.resources.files(__package__) / "static"
    vendor = folder / "vendor"
    styles = (vendor / "uPlot.min.css", folder / "page.css")
    return _Assets(
        template=folder.joinpath("page.html").read_text(encoding="utf-8"),
        style="\n".join(shorten(style.read_text(encoding="utf-8")) for style in styles),
        chart=vendor.joinpath("uPlot.iife.min.js").read_text(encoding="utf-8"),
        script=join_modules(folder),
    )


def _policy(assets: _Assets) -> str:
    """Write the content security policy: these scripts and this style, images in the page itself, nothing else."""
    scripts = " ".join(_digest(script) for script in (assets.chart, assets.script))
    return (
        f"default-src 'none'; script-src {scripts}; style-src {_digest(assets.style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _summary(content: Mapping[str, Any]) -> str:
    """Write what is shown where scripts don't run, as in the artifacts of some CI servers."""
    lines = []
    for experiment in content["experiments"]:
        counts = ", ".join(
            f"{n:,} {outcome or 'not run'}" for outcome, n in experiment["versions"][-1]["outcomes"].items()
        )
        lines.append(f"<li>{html.escape(experiment['name'])}: {html.escape(counts) or 'no runs'}</li>")
    return f"<p>{html.escape(content['database'])}, {content['generated']}</p><ul>{''.join(lines)}</ul>"
