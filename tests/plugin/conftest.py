"""What the acceptance tests of the plugin share."""

from __future__ import annotations

import pytest

OTHER_PLUGINS = ("anyio", "asyncio", "cov", "html", "hypothesispytest", "metadata", "randomly")
"""Plugins that inner runs do without: importing them is more than half of their time, and `randomly` changes orders."""


@pytest.fixture(autouse=True)
def _few_plugins(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep other plugins out of inner runs; a test of us beside one of them sets the variable anew."""
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(f"-p no:{name}" for name in OTHER_PLUGINS))
