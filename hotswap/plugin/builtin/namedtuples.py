"""Named tuples: their objects hold their fields by place and cannot change, so other fields need that none is alive."""

from __future__ import annotations

from hotswap.kinds import vars_of
from hotswap.plugin.specs import hookimpl
from hotswap.plugin.values import Field, Shape


@hookimpl
def hotswap_class_shape(cls: type) -> Shape | None:
    names = vars_of(cls).get("_fields")
    if not issubclass(cls, tuple) or not isinstance(names, tuple):
        return None
    return Shape(fields={str(name): Field(why="a tuple cannot grow") for name in names}, is_fixed=True)
