"""What Django's models consist of, and what of that it computes and keeps. All of it is private to Django."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from django.apps.registry import Apps
from django.db.models.base import method_get_order, method_set_order
from django.db.models.fields.related_descriptors import ReverseManyToOneDescriptor, ReverseOneToOneDescriptor
from django.utils.functional import cached_property

from hotswap.commit import Write

#: Parts of Django whose objects stand in a model's class by its fields, managers and relations.
_PARTS = ("django.db.", "django.contrib.contenttypes.", "django.contrib.postgres.", "django.contrib.gis.")
_ORDER = (method_get_order, method_set_order)


def own_fields(model: Any) -> list[Any]:
    """The fields that a model has itself, those for many objects and generic ones too."""
    meta = model._meta
    return [*meta.local_fields, *meta.local_many_to_many, *meta.private_fields]


def relation_of(field: Any) -> Any:
    """What a field knows of the model that it leads to; None for one that leads nowhere."""
    return getattr(field, "remote_field", None)


def own_table(field: Any) -> Any:
    """The model that Django has made for the rows of a relation; None where there is none, or where the text has it."""
    through = getattr(relation_of(field), "through", None)
    return through if getattr(getattr(through, "_meta", None), "auto_created", False) else None


def cache_name(field: Any) -> str:
    """Under which name an object keeps what a field has led to."""
    name = getattr(field, "cache_name", None)
    return name if isinstance(name, str) else str(field.get_cache_name())  # before 5.1


def in_order_of_text(models: list[Any], made: list[Any], names: Mapping[int, str]) -> list[Any]:
    """The models of an application as a fresh start registers them: by the order of modules and of their statements.

    A table that Django makes for a relation is registered just before the model that has it. Relations are found in the order of
    the registry.

    Args:
        made: those that were made aside, in order.
        names: of models that are renamed, by id, as the text has them.
    """
    order = {id(model): number for number, model in enumerate(made)}
    modules = list(dict.fromkeys(model.__module__ for model in models))
    lines = {module: _class_lines(module) for module in modules}

    def place(model: Any) -> tuple[int, int]:
        return modules.index(model.__module__), lines[model.__module__].get(names.get(id(model), model.__name__), 0)

    tables = sorted((model for model in models if model._meta.auto_created), key=lambda table: order.get(id(table), -1))
    ordered: list[Any] = []
    for model in sorted((model for model in models if not model._meta.auto_created), key=place):
        ordered += [table for table in tables if table._meta.auto_created is model]
        ordered.append(model)
    return [*ordered, *(model for model in models if model not in ordered)]


def _class_lines(module: str) -> dict[str, int]:
    try:
        text = Path(getattr(sys.modules.get(module), "__file__", None) or "").read_bytes()
        nodes = ast.walk(ast.parse(text))
    except (OSError, SyntaxError, ValueError):
        return {}  # as they are
    return {node.name: node.lineno for node in nodes if isinstance(node, ast.ClassDef)}


# ---- attributes of the class ----


def made_by_django(model: Any) -> dict[str, Any]:
    """The attributes of a class that its fields, managers and relations have put there, accessors of other models too."""
    meta = model._meta
    names = {name for field in own_fields(model) for name in (field.name, getattr(field, "attname", None))}
    names |= {manager.name for manager in meta.local_managers}
    return {
        name: value for name, value in vars(model).items()
        if name != "_meta" and not name.startswith("__") and not isinstance(value, type) and (name in names or _is_part(value))
    }  # fmt: skip


def _is_part(value: Any) -> bool:
    kind = value.func if isinstance(value, functools.partialmethod) else type(value)
    return str(getattr(kind, "__module__", "")).startswith(_PARTS)


def accessors(model: Any) -> dict[str, Any]:
    """The attributes of a class by which relations of other models lead back."""
    return {name: value for name, value in vars(model).items() if is_accessor(value)}


def is_accessor(value: Any) -> bool:
    """True for what a relation has put into the class of the other side."""
    if isinstance(value, functools.partialmethod):
        return value.func in _ORDER
    if isinstance(value, ReverseManyToOneDescriptor):  # the forward side of many to many, and generic relations, are of its kind
        is_generic = type(value).__module__.startswith("django.contrib.contenttypes")
        return bool(getattr(value, "reverse", True)) and not is_generic
    return isinstance(value, ReverseOneToOneDescriptor)


def maker_of(accessor: Any) -> Any:
    """The model whose relation has made an accessor."""
    if isinstance(accessor, functools.partialmethod):
        return accessor.args[0]
    relation = getattr(accessor, "rel", None) or accessor.related
    return relation.field.model


# ---- what is kept ----


@functools.cache
def _kept_by(cls: Hashable) -> frozenset[str]:
    """The attributes by which Django computes something once, and that can be computed again: fields add to their validators."""
    own = [each for each in getattr(cls, "__mro__", ()) if each.__module__.startswith("django.")]
    return frozenset(
        name for each in own for name, value in vars(each).items() if isinstance(value, cached_property) and name != "validators"
    )


def state_of(item: Any) -> dict[str, Any]:
    """What an object of Django holds, without what it has computed."""
    kept = _kept_by(cast(Hashable, type(item)))
    state = {name: value for name, value in vars(item).items() if name not in kept}
    return {**state, "_get_fields_cache": {}} if "_get_fields_cache" in state else state


def set_state(live: Any, made: Any) -> Iterator[Write]:
    """Give a live object the state of one that was made aside; what is computed from it is computed anew, there and back."""
    state = vars(live)
    yield Write((dict.clear, state), (dict.update, state, state_of(live)))
    yield Write((dict.update, state, state_of(made)), (dict.clear, state))


def drop_caches(models: Iterable[Any]) -> Iterator[Write]:
    """Writes that drop what is computed from models; the same for the way there and the way back."""
    for model in models:
        yield from _drop_kept(model._meta)
        yield from _both((dict.clear, model._meta._get_fields_cache))
        for field in own_fields(model):
            if (relation := relation_of(field)) is not None:
                yield from _drop_kept(field)
                yield from _drop_kept(relation)
        for value in list(vars(model).values()):
            if isinstance(value, ReverseManyToOneDescriptor):
                yield from _both((dict.pop, vars(value), "related_manager_cls", None))
    yield from _both((Apps.get_models.cache_clear,))
    yield from _both((Apps.get_swappable_settings_name.cache_clear,))


def _drop_kept(item: Any) -> Iterator[Write]:
    # Also what nobody has asked for yet: somebody may until the swap is made.
    yield from (write for name in _kept_by(cast(Hashable, type(item))) for write in _both((dict.pop, vars(item), name, None)))


def _both(call: tuple[Any, ...]) -> Iterator[Write]:
    yield Write(call, call)
