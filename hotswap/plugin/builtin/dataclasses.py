"""Dataclasses: what their objects hold, by ``dataclasses.fields``.

The methods that ``@dataclass`` writes are moved like any others; a class that inherits from a changed one is built
anew by the plan. With ``slots=True`` a new field is kept beside the objects, see ``link/grow.py``.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from hotswap.kinds import vars_of
from hotswap.plugin.defaults import field_of_factory
from hotswap.plugin.specs import hookimpl
from hotswap.plugin.values import Field, Shape


@hookimpl
def hotswap_class_shape(cls: type) -> Shape | None:
    if "__dataclass_fields__" not in vars_of(cls):
        return None
    return Shape(fields={field.name: _field(field) for field in dataclasses.fields(cls)})


def _field(field: dataclasses.Field[Any]) -> Field:
    kind = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", repr(field.type))
    if field.default is not dataclasses.MISSING:
        return Field(default=field.default, kind=kind)
    if field.default_factory is not dataclasses.MISSING:
        return field_of_factory(field.default_factory, kind, "its default_factory has to be called")
    return Field(kind=kind, why="it has no default")
