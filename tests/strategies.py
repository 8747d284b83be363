"""Hypothesis strategies for what can be stored, and how many examples are tried.

`MLTRAQ_TEST_PROFILE=long` tries 10,000 of each.
"""

from __future__ import annotations

import datetime
import struct
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_mltraq import Bunch

TAGS = (
    "float",
    "list",
    "dict",
    "tuple",
    "numpy.array",
    "pandas.frame",
    "plugin",
    "types",
    "plain",
    "segments",
    "0",
    "value",
)
"""Texts that mean something to the codec."""

any_text = st.one_of(
    st.text(st.characters()), st.text(st.sampled_from("\ud800\udbff\udc00\udfff\0a"), max_size=3), st.sampled_from(TAGS)
)
"""All of Unicode, with NUL and lone surrogates; and what means something to the codec."""

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8) | st.sampled_from(TAGS)
"""What a field can be called."""


def _of_bits(bits: int) -> float:
    found: float = struct.unpack("<d", struct.pack("<Q", bits))[0]
    return found


any_float = st.one_of(
    st.floats(),
    st.integers(0, 2**64 - 1).map(_of_bits),
    st.integers(1, 2**52 - 1).map(lambda payload: _of_bits(0x7FF << 52 | payload)),
    st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 1.7976931348623157e308, float("inf"), float("-inf"), float("nan")]),
)
"""Floats with every NaN payload, both zeros, both infinities, and subnormal ones."""

any_int = st.one_of(
    st.integers(),
    st.sampled_from([2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**400, -(10**400)]),
)
offsets = st.timedeltas(datetime.timedelta(hours=-23), datetime.timedelta(hours=23))
zones = st.one_of(
    st.none(),
    st.timezones(),
    st.just(datetime.UTC),
    st.builds(datetime.timezone, offsets),
    st.builds(datetime.timezone, offsets, any_text),
)
datetimes = st.builds(
    lambda moment, fold, zone: moment.replace(fold=fold, tzinfo=zone), st.datetimes(), st.integers(0, 1), zones
)
times = st.builds(
    lambda moment, fold, zone: moment.replace(fold=fold, tzinfo=zone), st.times(), st.integers(0, 1), zones
)
paths = st.one_of(any_text.map(Path), any_text.map(PurePosixPath), any_text.map(PureWindowsPath))

standard_scalars = st.one_of(
    st.none(),
    st.booleans(),
    any_int,
    any_float,
    st.builds(complex, any_float, any_float),
    any_text,
    st.binary(),
    st.binary(min_size=1020, max_size=1030),
    st.decimals(),
    st.fractions(),
    st.uuids(),
    st.dates(),
    times,
    datetimes,
    st.timedeltas(),
    paths,
)
dtypes = hnp.scalar_dtypes()
numpy_scalars = dtypes.flatmap(
    lambda dtype: (
        st.binary(min_size=dtype.itemsize, max_size=dtype.itemsize).map(
            lambda data: np.frombuffer(data, dtype, count=1)[0] if dtype.kind not in "bSU" else np.zeros((), dtype)[()]
        )
        if dtype.itemsize
        else st.just(dtype.type())
    )
) | dtypes.flatmap(hnp.from_dtype)
scalars = st.one_of(standard_scalars, numpy_scalars)


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:  # a signaling NaN of decimal
        return False
    return True


keys = st.recursive(
    scalars.filter(_is_hashable),
    lambda inner: st.one_of(st.lists(inner, max_size=3).map(tuple), st.frozensets(inner, max_size=3)),
    max_leaves=4,
)
lookalikes = st.sampled_from(
    [
        ["float", "000000000000f87f"],
        ["tuple", {"0": ["uuid"]}],
        {"0": ["numpy.array", "0" * 64]},
        {"types": {"value": ["list", {}]}, "plain": [1]},
        {"plain": None, "types": {}, "segments": [["npy", 0]]},
    ]
)
"""Values of users that look like what the codec writes."""

values: st.SearchStrategy[Any] = st.recursive(
    scalars | lookalikes,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.sets(keys, max_size=4),
        st.frozensets(keys, max_size=4),
        st.dictionaries(any_text, inner, max_size=4),
        st.dictionaries(keys, inner, max_size=4),
        st.dictionaries(names, inner, max_size=4).map(Bunch),
    ),
    max_leaves=12,
)
"""Scalars and containers, nested."""

array_dtypes = st.one_of(
    hnp.scalar_dtypes(), hnp.array_dtypes(), hnp.nested_dtypes(), hnp.datetime64_dtypes(), hnp.timedelta64_dtypes()
)


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    """Arrays of every dtype but object: with records, big-endian, of no dimension, empty, in Fortran's order, strided."""
    dtype = draw(array_dtypes)
    array = draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)))
    layout = draw(st.sampled_from(["as it is", "fortran", "strided", "big-endian"]))
    if layout == "fortran":
        return np.asfortranarray(array) if array.ndim else array
    if layout == "strided" and array.ndim:
        return array[::-1]
    if layout == "big-endian":
        return array.astype(array.dtype.newbyteorder(">"))
    return array
