"""What objects of a model hold, for hotswap: which of them lack a field, and what they are given for it.

    a new field that has         objects that exist get
    a default                    that; of one that is called, what it gives now, once for all of them
    no default, may be null      None
    blank text                   an empty one
    auto_now, auto_now_add       the time of the swap
    a default in the database    that, where it is a plain value
    none of these                nothing: it is asked about, or a migration says it

This is what Django's own migration does to the rows of the table.
"""

from __future__ import annotations

from typing import Any

import attrs
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import NOT_PROVIDED, Value
from django.db.models.base import ModelBase

from hotswap.plugin import Field, Shape, field_of_factory, field_of_value
from hotswap.plugin.defaults import EMPTY_FACTORIES


def shape_of(cls: type, other: type | None = None) -> Shape | None:
    """The columns of a model by the names that its objects have them under; None for what has no objects.

    Args:
        other: the class with which it is going to be compared. Defaults of the program are only called for fields that this
            does not have.
    """
    if (fields := _columns(cls)) is None:
        return None
    known = fields if other is None else _columns(other) or {}
    # Django's descriptors keep all of it in the dict of the object, also those that stand before it (``ForeignKey``, files).
    return Shape(fields={n: attrs.evolve(_holds(field, n not in known), is_bare=True) for n, field in fields.items()})


def _columns(cls: type) -> dict[str, Any] | None:
    if not isinstance(cls, ModelBase) or "_meta" not in vars(cls) or vars(cls)["_meta"].abstract:
        return None
    metas = [vars(each)["_meta"] for each in reversed(cls.__mro__) if isinstance(each, ModelBase) and "_meta" in vars(each)]
    fields = [field for meta in metas if not meta.abstract for field in meta.local_fields]
    return {field.attname: field for field in fields if field.column is not None}


def _holds(field: Any, calls: bool) -> Field:
    kind = field.get_internal_type()
    if callable(field.default) and not calls:
        return Field(kind=kind)
    if any(field.default is factory for factory in EMPTY_FACTORIES):
        return field_of_factory(field.default, kind=kind)
    given = getattr(field, "db_default", NOT_PROVIDED)
    if given is not NOT_PROVIDED and not field.has_default():
        return _plain(given.value if isinstance(given, Value) else given, kind)
    if getattr(field, "generated", False):
        return Field(kind=kind, why="the database computes it")
    try:
        value = BaseDatabaseSchemaEditor._effective_default(field)
    except Exception as error:  # noqa: BLE001 - border to a default of the program
        return Field(kind=kind, why=f"its default cannot be called: {error!r}")
    if value is None and not field.null and not field.primary_key:
        return Field(kind=kind, why="it has neither a default nor null=True")
    return _plain(value, kind)


def _plain(value: Any, kind: str) -> Field:
    if hasattr(value, "resolve_expression"):
        return Field(kind=kind, why="its default is an expression of the database")
    if isinstance(value, (list, dict, set)):
        return field_of_value(value, kind=kind)
    return Field(default=value, kind=kind)
