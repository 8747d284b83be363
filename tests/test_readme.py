"""What the README and the pages of the documentation show is what happens."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.readme import run_blocks
from tests.test_importers import MLFLOW, MLTRAQ

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_a_page_does_what_it_shows(page: Path, tmp_path: Path) -> None:
    """Each command prints what the page says, and each script runs; databases of other programs are there to be imported."""
    for database in (MLTRAQ, MLFLOW):
        shutil.copy(database, tmp_path)
    run_blocks(page, tmp_path)
