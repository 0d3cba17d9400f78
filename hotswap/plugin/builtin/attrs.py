"""attrs classes: what their objects hold, by ``attrs.fields``.

attrs keeps no defaults in the class, so objects that exist are given each new field. With slots, attrs' default, a new
field is kept beside them, see ``link/grow.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MemberDescriptorType
from typing import Any

import attrs

from hotswap.commit import Write
from hotswap.kinds import vars_of
from hotswap.plugin.defaults import field_of_factory, field_of_value, is_immutable
from hotswap.plugin.specs import hookimpl
from hotswap.plugin.values import Field, Shape, Stale
from hotswap.shadow import Shadow

#: Converters that do nothing but give a plain value.
_PLAIN_CONVERTERS: tuple[Any, ...] = (bool, int, float, str, bytes, tuple, frozenset, list, set, dict)


@hookimpl
def hotswap_class_shape(cls: type) -> Shape | None:
    if "__attrs_attrs__" not in vars_of(cls):
        return None
    return Shape(fields={field.name: _field(field) for field in vars_of(cls)["__attrs_attrs__"]})


def _field(field: Any) -> Field:
    kind = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", repr(field.type)) if field.type else ""
    if field.default is attrs.NOTHING:
        return Field(kind=kind, why="it has no default")
    if field.converter is not None:
        return _converted(field, kind)
    if isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]  # typed as a function, is a class
        if field.default.takes_self:
            return Field(kind=kind, why="its default is made from the object")
        return field_of_factory(field.default.factory, kind)
    return Field(default=field.default, kind=kind)


def _converted(field: Any, kind: str) -> Field:
    """A default that goes through a converter: known where both are plain."""
    is_plain = any(field.converter is known for known in _PLAIN_CONVERTERS)
    if not is_plain or not is_immutable(field.default):
        return Field(kind=kind, why="its converter has to be called")
    try:
        return field_of_value(field.converter(field.default), kind)
    except (TypeError, ValueError):
        return Field(kind=kind, why="its converter fails on its default")


@hookimpl
def hotswap_stale_caches(stale: Stale) -> Iterator[Write]:
    """With slots, attrs keeps the result of a ``cached_property`` in a slot of its name."""
    for cls, name in (*stale.members(MemberDescriptorType), *stale.members(Shadow)):
        function = _cached_properties(cls).get(name)
        if function is not None and stale.may_differ(function):
            yield from stale.drop_attribute(cls, name)


def _cached_properties(cls: type) -> dict[str, Any]:
    """The functions behind them; attrs leaves them nowhere but in a default of the ``__getattr__`` that it writes."""
    if "__attrs_attrs__" not in vars_of(cls):
        return {}
    found = getattr(vars_of(cls).get("__getattr__"), "__defaults__", None) or ()
    return next((item for item in found if type(item) is dict), {})
