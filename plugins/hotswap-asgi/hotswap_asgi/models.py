"""Models of pydantic, made anew in place: what they compute of their fields is compiled, and compiled into others.

    changed                                   done
    the text of a model                       the class stays the same object and gets all that pydantic made of the new text
    a model, or what its fields are of        all models and type adapters are compiled again, inner ones first

Compiling again is :meth:`model_rebuild`, which pydantic offers for it; only which attributes it fills is private.
"""

from __future__ import annotations

import sys
import typing
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from hotswap.collector import list_objects, with_subclasses
from hotswap.commit import Swap, set_class
from hotswap.plugin import ClassPair, Field, Shape, field_of_factory, field_of_value

_MADE_BY_PYDANTIC = ("__signature__", "__private_attributes__", "__class_vars__")
#: Compiled for the class that was made aside, and no use to the live one: :func:`compile_models` makes it for that.
_COMPILED = ("__pydantic_core_schema__", "__pydantic_validator__", "__pydantic_serializer__")


def base_model() -> Any:
    """``pydantic.BaseModel`` where the program has imported it, else None."""
    return getattr(sys.modules.get("pydantic.main"), "BaseModel", None)


def is_model(cls: type) -> bool:
    base = base_model()
    return base is not None and issubclass(cls, base)


def can_rebuild(cls: type) -> bool:
    """True for a model whose class statement leaves nothing behind: a generic one is kept by its parameters."""
    return is_model(cls) and not vars(cls).get("__pydantic_generic_metadata__", {}).get("parameters")


def rebuild_class(pair: ClassPair, swap: Swap, resolve: Callable[[Any], Any]) -> list[str]:
    """Give the live model what pydantic has collected from the new text."""
    if not is_model(pair.live) or not is_model(pair.staged):
        return []
    names = [name for name in vars(pair.staged) if name.startswith("__pydantic_") or name in _MADE_BY_PYDANTIC]
    swap.add(*(set_class(pair.live, name, resolve(vars(pair.staged)[name])) for name in names if name not in _COMPILED))
    return names


def shape_of(cls: type) -> Shape | None:
    """What the objects of a model hold."""
    if not is_model(cls):
        return None
    fields = vars(cls).get("__pydantic_fields__") or {}
    return Shape(fields={name: _field(info) for name, info in fields.items()})


def _field(info: Any) -> Field:
    kind = getattr(info.annotation, "__name__", str(info.annotation))
    if info.is_required():
        return Field(kind=kind, why="it has no default")
    if info.default_factory is not None:
        return field_of_factory(info.default_factory, kind)
    if is_model(type(info.default)):
        return Field(kind=kind, why="its default is an object of a model")
    return field_of_value(info.default, kind)


def compile_models(is_managed: Callable[[type], bool]) -> None:
    """Compile all models of the program again, and the type adapters.

    Raises:
        Exception: pydantic's, where a field makes no sense any more.
    """
    base = base_model()
    if base is None:
        return
    models = [cls for cls in with_subclasses(base) if is_managed(cls) and _is_in_use(cls)]
    for cls in models:  # one that refers to itself by others, or to names that come later, would take what these have been
        if _COMPILED[0] in vars(cls):
            delattr(cls, _COMPILED[0])
    adapter = getattr(sys.modules.get("pydantic.type_adapter"), "TypeAdapter", None)
    adapters = list_objects(adapter)[0] if adapter is not None else []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they were given when it was compiled first; FastAPI's own adapters would give dozens
        for cls in _inner_first(models):
            cls.model_rebuild(force=True)
        for item in adapters:
            item.rebuild(force=True)


def _is_in_use(cls: type) -> bool:
    """False for a class that was made aside, and waits for the collector."""
    generic = vars(cls).get("__pydantic_generic_metadata__") or {}
    if generic.get("origin") is not None:  # ``Page[Item]`` has no name of its own
        models = [kind for part in generic["args"] for kind in _classes(part) if isinstance(kind, type) and is_model(kind)]
        return all(map(_is_in_use, [generic["origin"], *models]))
    value: Any = sys.modules.get(cls.__module__)
    for name in cls.__qualname__.split("."):
        value = None if name == "<locals>" else getattr(value, "__dict__", {}).get(name)
    return value is cls or "<locals>" in cls.__qualname__


def _inner_first(models: Iterable[Any]) -> list[Any]:
    """Models in the order in which they can be compiled."""
    wanted = {id(cls): cls for cls in models}
    found: dict[int, Any] = {}
    for cls in wanted.values():
        _visit(cls, wanted, found)
    return list(found.values())


def _visit(cls: Any, wanted: dict[int, Any], found: dict[int, Any], inside: frozenset[int] = frozenset()) -> None:
    if id(cls) in found or id(cls) in inside:
        return
    inner = [kind for info in cls.__pydantic_fields__.values() for kind in _classes(info.annotation)]
    for kind in (*cls.__mro__[1:], *inner):
        if id(kind) in wanted:
            _visit(kind, wanted, found, inside | {id(cls)})
    found[id(cls)] = cls


def _classes(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in typing.get_args(annotation):
        yield from _classes(part)
