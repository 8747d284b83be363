"""The file of accepted changes: what is written is read, in a stable order, and what is wrong with it is said."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mltraq.acceptance import FILE_NAME, Acceptance, find_file, read_acceptances, write_acceptances
from pytest_mltraq.errors import ConfigurationError

ACCURACY = Acceptance(
    experiment="iris",
    metric="accuracy",
    params={"model": "tree", "depth": None},
    old=0.95,
    new=0.9,
    reason='the data were "cleaned":\n50 samples less',
    by="Ann",
    at="2026-11-25",
    commit="1a2b3c4d",
    session="0199",
    values={"seed:0": 0.89, "seed:1": 0.91},
)
LOSS = ACCURACY._replace(metric="loss", old=None, new=math.inf, by=None, commit=None, values={"": math.inf})
GONE = ACCURACY._replace(metric="size", new=None, values={})

texts = st.text(st.characters(exclude_categories=["Cs"]))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Each entry comes back; their order in the file doesn't depend on when they were accepted."""
    file = tmp_path / FILE_NAME
    write_acceptances(file, [LOSS, GONE, ACCURACY])
    text = file.read_text(encoding="utf-8")
    write_acceptances(file, [ACCURACY, LOSS, GONE])

    assert read_acceptances(file) == {one.key: one for one in (ACCURACY, LOSS, GONE)}
    assert "old = 0.95\nremoved = true\nreason" in text
    assert file.read_text(encoding="utf-8") == text
    assert text.partition("[[accepted]]\n")[2].startswith(
        'experiment = "iris"\nmetric = "accuracy"\nparams = "{\\"model\\": \\"tree\\", \\"depth\\": null}"\nold = 0.95\nnew = 0.9\n'
    )
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


@given(name=texts, reason=texts, value=st.floats(allow_nan=False), replicate=texts)
def test_any_text_and_number_comes_back(
    name: str, reason: str, value: float, replicate: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Quotes, control characters and odd numbers are written as TOML has them."""
    file = tmp_path_factory.getbasetemp() / "any.toml"
    accepted = ACCURACY._replace(metric=name, params={name: [value, reason]}, reason=reason, values={replicate: value})
    accepted = accepted if math.isfinite(value) else accepted._replace(params={})
    write_acceptances(file, [accepted])

    assert read_acceptances(file) == {accepted.key: accepted}


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda text: text + text, "accuracy of iris .model:tree-depth:None. is accepted twice: keep the entry"),
        (lambda text: "<<<<<<< HEAD\n" + text, "expected TOML as `pytest-mltraq accept` writes it, found .* by hand?"),
        (lambda text: text.replace("new = 0.9", 'new = "less"'), "accuracy of iris: expected 'new', found 'less'"),
        (lambda text: text.replace('reason = "', 'why = "'), "accuracy of iris: expected 'reason', found None"),
        (lambda text: text.replace("0.89", '"x"'), "accuracy of iris: expected numbers as values"),
        (lambda text: text.replace('"{', '"['), "accuracy of iris: expected params as JSON, found '.*'"),
        (lambda text: "accepted = 1", "expected entries ..accepted.., found int"),
        (lambda text: "accepted = [1]", "an entry: expected 'experiment', found None"),
    ],
)
def test_what_is_wrong_is_said(damage: object, complaint: str, tmp_path: Path) -> None:
    """The message names the file and the entry."""
    file = tmp_path / FILE_NAME
    write_acceptances(file, [ACCURACY])
    assert callable(damage)
    file.write_text(damage(file.read_text(encoding="utf-8")), encoding="utf-8")

    with pytest.raises(ConfigurationError, match=rf"{FILE_NAME}: {complaint}"):
        read_acceptances(file)


def test_the_file_is_beside_the_projects_root(tmp_path: Path) -> None:
    """It is found from any folder of the project, and would be made where the project's settings are."""
    inner = tmp_path / "project" / "tests" / "unit"
    inner.mkdir(parents=True)
    (tmp_path / "project" / "pyproject.toml").touch()

    assert find_file(inner) == tmp_path / "project" / FILE_NAME
    (inner.parent / FILE_NAME).touch()
    assert find_file(inner) == inner.parent / FILE_NAME
    assert read_acceptances(tmp_path / "none.toml") == {}
    with pytest.raises(ConfigurationError, match="can't be read"):
        read_acceptances(tmp_path)
