"""SciPy's sparse arrays and matrices: ``["scipy.sparse", name]``, a bundle of kind, shape and the arrays that make it.

=============  ==================================================================
kind           arrays
=============  ==================================================================
csr, csc, bsr  data, indices, indptr
coo            data, coordinates (one for each dimension)
dia            data, offsets
dok            those of its coo form
lil            those of its csr form
=============  ==================================================================

What is stored but zero, stored twice or not sorted stays so. Indices are checked when they are read: SciPy's compiled code
trusts them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import sparse

from pytest_mltraq.codec.forms import check_type, look_up

if TYPE_CHECKING:
    from pytest_mltraq.codec.decoder import Decoder, Restorer
    from pytest_mltraq.codec.encoder import Encoder, Writer
    from pytest_mltraq.codec.forms import Pair

_KINDS: Final[dict[str, Any]] = {
    f"{form}_{kind}": getattr(sparse, f"{form}_{kind}")
    for form in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
    for kind in ("array", "matrix")
}
_CARRIERS: Final = {"dok": "coo", "lil": "csr"}
"""Forms that are made of Python's objects, and what they are stored as."""


def _encode_sparse(encoder: Encoder, value: Any, path: str) -> Pair:
    kind = type(value).__name__
    carrier = value.asformat(_CARRIERS.get(value.format, value.format))
    parts = {"kind": kind, "shape": tuple(map(int, value.shape)), **_arrays(carrier)}
    return encoder.bundle("scipy.sparse", parts, path, value)


def _arrays(value: Any) -> dict[str, Any]:
    if value.format == "coo":
        coordinates = value.coords if hasattr(value, "coords") else (value.row, value.col)
        return {"data": value.data, "coordinates": list(coordinates)}
    if value.format == "dia":
        return {"data": value.data, "offsets": value.offsets}
    return {"data": value.data, "indices": value.indices, "indptr": value.indptr}


def _decode_sparse(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> Any:
    parts = decoder.bundle(arguments[0], path)
    target = look_up(_KINDS, parts["kind"], "kind of sparse array")
    form, _, kind = parts["kind"].partition("_")
    made = _make(_KINDS[f"{_CARRIERS.get(form, form)}_{kind}"], **parts)
    return made if type(made) is target else made.asformat(form)


def _make(make: Any, *, kind: str, shape: tuple[int, ...], data: np.ndarray[Any, Any], **indices: Any) -> Any:
    """Make a sparse array of its arrays, which come back with the dtypes that they had."""
    coordinates = tuple(indices.pop("coordinates", ()))
    for array in (data, *coordinates, *indices.values()):
        check_type(array, np.ndarray, "an array of a sparse one")
    if coordinates:
        made = make((data, coordinates), shape=shape)
        if hasattr(made, "coords"):
            made.coords = coordinates
        else:
            made.row, made.col = coordinates
    elif "offsets" in indices:
        made = make((data, indices["offsets"]), shape=shape)
        made.offsets = indices["offsets"]
    else:
        made = make((data, indices["indices"], indices["indptr"]), shape=shape)
        made.check_format(full_check=True)
        made.indices, made.indptr = indices["indices"], indices["indptr"]
    return made


WRITERS: Final[dict[type, Writer]] = dict.fromkeys(_KINDS.values(), _encode_sparse)
RESTORERS: Final[dict[str, Restorer]] = {"scipy.sparse": _decode_sparse}
