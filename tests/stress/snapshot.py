"""All of a module's state, deeply, by identity and by contents, as one flat table that two moments can be compared in."""

from __future__ import annotations

import functools
import types
from collections import deque
from collections.abc import Iterable, Iterator
from types import CellType, FunctionType, ModuleType
from typing import Any

import wrapt

#: Kept by the interpreter for each class, or made anew whenever somebody asks.
_NOT_STATE = frozenset({"__dict__", "__weakref__", "_abc_impl", "__builtins__"})
_FIELDS = (
    "__name__", "__qualname__", "__module__", "__doc__", "__defaults__", "__kwdefaults__", "__annotations__", "__dict__",
    "__type_params__",
)  # fmt: skip
_FOREIGN = ("_frozen_importlib_external", "_frozen_importlib", "importlib.machinery", "builtins")
_WRAPPED = ("__func__", "fget", "fset", "fdel", "func", "args", "keywords", "__wrapped__", "__self__", "attrname")


class Fact(str):
    """Something said about an object, not a part of it."""


class Snapshot:
    """The state of some modules at one moment.

    Attributes:
        rows: what stands at each path; objects as their type and id, so that another equal object is a difference.
    """

    def __init__(self, modules: Iterable[ModuleType], extra: dict[str, Any] | None = None) -> None:
        self.rows: dict[str, Any] = {}
        self.hold: list[Any] = []  # an id is good only while its object lives
        self._seen: dict[int, str] = {}
        for module in modules:
            self._visit(module.__name__, module.__dict__)
        for name, value in (extra or {}).items():
            for path, part in self._dict(value) if isinstance(value, dict) else [("", value)]:
                self._visit(name + path, part)

    def compare(self, other: Snapshot) -> list[str]:
        """What is different now, one line for each path."""
        paths = sorted(self.rows.keys() | other.rows.keys())
        missing = object()
        pairs = ((path, self.rows.get(path, missing), other.rows.get(path, missing)) for path in paths)
        return [
            f"{path}: {'nothing' if a is missing else a} -> {'nothing' if b is missing else b}" for path, a, b in pairs if a != b
        ]

    def _visit(self, path: str, value: Any) -> None:
        kind = type(value)
        if kind is Fact:
            self.rows[path] = str(value)
            return
        if kind in (int, float, complex, str, bytes, bool, type(None), type(Ellipsis)):
            self.rows[path] = (kind.__name__, value)
            return
        self.rows[path] = (kind.__name__, id(value), _label(value))
        if id(value) in self._seen:
            return
        self._seen[id(value)] = path
        self.hold.append(value)
        for name, part in self._parts(value):
            self._visit(f"{path}{name}", part)

    def _parts(self, value: Any) -> Iterator[tuple[str, Any]]:
        """What an object consists of, as far as it can belong to the program."""
        kind = type(value)  # a proxy's own answer to isinstance is that of what it wraps
        if issubclass(kind, ModuleType):
            return
        if kind is FunctionType:
            yield from self._function(value)
        elif issubclass(kind, type):
            yield from self._class(value)
        elif issubclass(kind, dict):
            yield from self._dict(value)
        elif issubclass(kind, (list, tuple, deque)):
            yield from ((f"[{index}]", item) for index, item in enumerate(value))
        elif issubclass(kind, (set, frozenset)):
            yield "{}", Fact(sorted((type(item).__name__, repr(item)) for item in value))
        elif kind is CellType:
            yield from _cell(value)
        elif issubclass(kind, wrapt.ObjectProxy):
            yield ".__wrapped__", value.__wrapped__
        else:
            yield from self._instance(value)

    def _function(self, function: FunctionType) -> Iterator[tuple[str, Any]]:
        yield ".__code__", function.__code__
        for name in _FIELDS:
            yield f".{name}", getattr(function, name, None)
        for index, cell in enumerate(function.__closure__ or ()):
            yield f".<{function.__code__.co_freevars[index]}>", cell

    def _class(self, cls: type) -> Iterator[tuple[str, Any]]:
        if cls.__module__ in ("builtins", "typing", "enum", "collections", "functools"):
            return
        for name, value in cls.__dict__.items():
            # CPython cannot forget a __new__: a class that was led on to a function gets one back that does as object's does.
            stand_in = name == "__new__" and getattr(value, "__wrapped__", value).__module__ == "hotswap.link.bind"
            if name not in _NOT_STATE and not stand_in:
                yield f".{name}", value
        yield ".__bases__", cls.__bases__
        yield ".__mro__", Fact([id(base) for base in cls.__mro__])
        yield ".__subclasses__()", Fact(sorted((id(sub), sub.__qualname__) for sub in type.__subclasses__(cls)))

    def _dict(self, value: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
        # Names keep their place in a namespace or not, nobody can rely on it; in the program's own dicts the order is data.
        if "__builtins__" not in value:
            yield "<keys>", Fact([repr(key) for key in dict.keys(value)])
        for key, item in dict.items(value):
            if not (isinstance(key, str) and key in _NOT_STATE):
                yield f"[{key!r}]" if not isinstance(key, str) else f".{key}", item

    def _instance(self, value: Any) -> Iterator[tuple[str, Any]]:
        ours = issubclass(type(value), (staticmethod, classmethod, property, types.MethodType))
        if type(value).__module__ in _FOREIGN and not ours:
            return
        yield ".__class__", type(value)
        for name in _WRAPPED:
            if (part := _read(value, name)) is not None:
                yield f".{name}", part
        # A cached property is no state: its result is dropped whenever the code behind it changes.
        names = [item for cls in type(value).__mro__ for item in vars(cls).items()]
        cached = {name for name, item in names if isinstance(item, functools.cached_property)}
        state = _read(value, "__dict__")
        for name, part in dict(state).items() if isinstance(state, dict) else ():
            if name not in cached:
                yield f".{name}", part


def _cell(cell: CellType) -> Iterator[tuple[str, Any]]:
    try:
        yield "<value>", cell.cell_contents
    except ValueError:
        return


def _read(value: Any, name: str) -> Any:
    try:
        return object.__getattribute__(value, name)
    except (AttributeError, TypeError):
        return None


def _label(value: Any) -> str:
    if type(value) is types.CodeType:
        return f"{value.co_qualname} line {value.co_firstlineno}"
    return str(value.__qualname__) if type(value) is FunctionType or issubclass(type(value), type) else ""
