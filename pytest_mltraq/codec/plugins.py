"""Types of other plugins, by the hooks `pytest_mltraq_encode` and `pytest_mltraq_decode`.

The document has what the plugin made of the value, ``["plugin", name, entry]`` in types says which plugin's it is and what JSON loses
of it. Where no plugin takes it, what is stored comes back as a `PluginValue`, and can be stored again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_mltraq.errors import CorruptDataError, UnsupportedTypeError

if TYPE_CHECKING:
    from pytest_mltraq.codec.decoder import Decoder
    from pytest_mltraq.codec.encoder import Encoder
    from pytest_mltraq.codec.forms import Pair

NAME: Final = "plugin"


class PluginValue(NamedTuple):
    """What a plugin stored, where no plugin is there that makes a value of it.

    Attributes:
        name: what it is, as the plugin called it.
        data: what it is made of.
    """

    name: str
    data: Any


def encode_by_plugin(encoder: Encoder, value: Any, path: str) -> Pair | None:
    """Encode a value that a plugin knows; None where none does.

    Raises:
        UnsupportedTypeError: the plugin's hook failed, or returned something else than a name and a value that can be stored.
    """
    hooks = encoder.home.hooks
    if hooks is None:
        return None
    try:
        found = hooks.encode(value=value)
    except Exception as error:
        message = f"the hook pytest_mltraq_encode failed with {type(error).__name__}: {error}"
        raise UnsupportedTypeError(path, message) from error
    if found is None:
        return None
    match found:
        case (str(name), data) if name:
            return _named(name, encoder.inner(data, path, value))
    message = f"the hook pytest_mltraq_encode returned {found!r:.200}: expected a name and a value, as a tuple"
    raise UnsupportedTypeError(path, message)


def encode_plugin_value(encoder: Encoder, value: PluginValue, path: str) -> Pair:
    """Encode what a plugin stored, as it was."""
    return _named(value.name, encoder.inner(value.data, path, value))


def _named(name: str, data: Pair) -> Pair:
    plain, entry = data
    return plain, [NAME, name, entry]


def decode_plugin_value(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> Any:
    """Have a plugin make a value of what is stored.

    Raises:
        CorruptDataError: the plugin's hook failed.
    """
    name, entry = arguments
    if type(name) is not str:
        message = f"expected a plugin's name of a type, found {name!r:.80}"
        raise ValueError(message)
    data = decoder.decode(plain, entry, path)
    if decoder.home.hooks is None:
        return PluginValue(name, data)
    try:
        value = decoder.home.hooks.decode(name=name, data=data)
    except Exception as error:
        message = f"the hook pytest_mltraq_decode failed for {name!r} with {type(error).__name__}: {error}"
        raise CorruptDataError(path, message) from error
    return PluginValue(name, data) if value is None else value
