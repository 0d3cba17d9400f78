"""wrapt proxies for callables that have no ``__code__``: put in place while their module executes.

A bound method or a builtin bound to a module name cannot be jumped. So the module's text is executed with such
assignments passed through :func:`as_handle`, before anyone can take the bare object; a swap re-points the proxy.
"""

from __future__ import annotations

import ast
import functools
import itertools
import operator
import pkgutil
import re
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import wrapt

from hotswap.commit import Write

#: Bound in the module's namespace while it executes.
HOOK = "__hotswap_handle__"
SNAPSHOT = "__hotswap_snapshot__"


class Handle(wrapt.CallableObjectProxy):  # type: ignore[type-arg]  # generic in stubs only
    """A callable module attribute that can be re-pointed; otherwise like what it wraps.

    Pickles by its name in its module, as functions do, and needs no hotswap to be loaded again.
    """

    __hotswap_handle__ = True

    def __init__(self, wrapped: Any, module: str, name: str) -> None:
        super().__init__(wrapped)
        self._self_module = module
        self._self_name = name
        self._self_hash = hash(wrapped)

    @property
    def _self_owner(self) -> tuple[str, str]:
        return self._self_module, self._self_name

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __reduce__(self) -> tuple[Any, ...]:
        return pkgutil.resolve_name, (f"{self._self_module}:{self._self_name}",)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return self.__reduce__()

    def __hash__(self) -> int:
        return int(self._self_hash)  # as when it was made: a re-pointed handle must be found in the sets that hold it

    def __copy__(self) -> Handle:
        return self

    def __deepcopy__(self, memo: Any) -> Handle:
        return self


class BindingHandle(Handle):
    """The same for what a class binds to its objects: a method of a C type, as in ``low = str.lower``."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else self.__wrapped__.__get__(instance, owner)


_BINDING = (types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType)
_KINDS = (
    *_BINDING,
    types.BuiltinFunctionType,
    type(re.compile("").sub),  # a builtin method that knows its class has a type of its own
    types.MethodType,
    types.MethodWrapperType,
    operator.itemgetter,
    operator.attrgetter,
    operator.methodcaller,
    wrapt.BoundFunctionWrapper,
)


def needs_handle(value: Any) -> bool:
    """True for callables that no jump can reach: builtins and bound methods."""
    return type(value) in _KINDS


def as_handle(module: str, name: str, value: Any) -> Any:
    """The value, in a proxy where it needs one.

    What the module has under another name already, as in ``scan = c_scan or py_scan``, stays bare: the two names would not be
    one object any more, and ``is`` would say so. A change of such a name is refused.
    """
    if not needs_handle(value) or _is_bound(value, name, getattr(sys.modules.get(module), "__dict__", {})):
        return value
    return (BindingHandle if type(value) in _BINDING else Handle)(value, module, name)


def _is_bound(value: Any, name: str, space: dict[str, Any]) -> bool:
    return any(item is value and key != name for key, item in list(space.items()))


def is_handle(value: Any) -> bool:
    """True for a proxy of hotswap's, which is asked for nothing."""
    return getattr(type(value), "__hotswap_handle__", False) is True


def bare(value: Any) -> Any:
    """What a value is without the proxies of hotswap around it."""
    while is_handle(value):
        value = value.__wrapped__
    return value


def set_wrapped(handle: Any, target: Any) -> Write:
    """Point a proxy elsewhere."""
    return Write((setattr, handle, "__wrapped__", target), (setattr, handle, "__wrapped__", handle.__wrapped__))


def bind_hook(module: str) -> Callable[[str, Any], Any]:
    return functools.partial(as_handle, module)


def instrument(
    tree: ast.Module, module_name: str, namespace: dict[str, Any], on_ready: Callable[[], None] | None = None
) -> ast.Module:
    """Pass assignments of names, attributes and calls at the top level through :func:`as_handle`.

    Line numbers and all function bodies stay as they are, so the functions compile to the same code objects.

    Args:
        tree: the parsed module; it is changed in place.
        namespace: the module's dict, which gets the hooks that the tree calls; call :func:`uninstrument` afterwards.
        on_ready: called once, before ``if __name__ == "__main__"`` or at the end: the module's data is as loaded.
    """
    namespace[HOOK] = bind_hook(module_name)
    for statement in _assignments(tree.body):
        for names, holder, field in _bound_values(statement):
            value = getattr(holder, field) if isinstance(field, str) else holder.elts[field]
            call = _call(HOOK, [ast.Constant(names[0]), value], value)
            if isinstance(field, str):
                setattr(holder, field, call)
            else:
                holder.elts[field] = call
    if on_ready is not None:
        namespace[SNAPSHOT] = on_ready
        _insert_snapshot(tree)
    return tree


#: Expressions that cannot give one of the callables concerned.
_NEVER = (
    ast.Constant, ast.Dict, ast.List, ast.Set, ast.Tuple, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
    ast.JoinedStr, ast.Lambda, ast.Compare, ast.UnaryOp, ast.BinOp, ast.Starred,
)  # fmt: skip


def names_with_handles(node: ast.stmt) -> frozenset[str]:
    """The names to which a top-level statement binds values through :func:`as_handle`."""
    found = (names for statement in _assignments([node]) for names, _, _ in _bound_values(statement))
    return frozenset(itertools.chain.from_iterable(found))


def _assignments(body: list[Any]) -> Iterator[ast.Assign | ast.AnnAssign]:
    """The assignments of a module's body, those in compound statements included; functions and classes are left out."""
    for node in body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            yield node
        elif isinstance(node, (ast.If, ast.Try, ast.TryStar, ast.For, ast.While, ast.With, ast.Match)):
            for field in ("body", "handlers", "orelse", "finalbody", "cases"):
                yield from _assignments(getattr(node, field, []))
        elif isinstance(node, (ast.ExceptHandler, ast.match_case)):
            yield from _assignments(node.body)


def _bound_values(node: ast.Assign | ast.AnnAssign) -> Iterator[tuple[list[str], Any, str | int]]:
    """The names that are bound to one value, with the place of the value in the tree."""
    if node.value is not None:
        yield from _pair(node.targets if isinstance(node, ast.Assign) else [node.target], node.value, node, "value")


def _pair(
    targets: list[ast.expr], value: ast.expr, holder: Any, field: str | int
) -> Iterator[tuple[list[str], Any, str | int]]:
    rows = [target.elts for target in targets if isinstance(target, (ast.Tuple, ast.List))]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    if rows and isinstance(value, (ast.Tuple, ast.List)) and all(len(row) == len(value.elts) for row in rows):
        for index, item in enumerate(value.elts):
            yield from _pair([row[index] for row in rows], item, value, index)
    elif names and not isinstance(value, _NEVER):
        yield names, holder, field


def uninstrument(namespace: dict[str, Any]) -> None:
    """Take the hooks out of a namespace again."""
    namespace.pop(HOOK, None)
    namespace.pop(SNAPSHOT, None)


def _insert_snapshot(tree: ast.Module) -> None:
    from hotswap.plan.units import UnitKind, kind_of

    place = next((i for i, node in enumerate(tree.body) if kind_of(node, i) is UnitKind.GUARD), len(tree.body))
    anchor = tree.body[place] if place < len(tree.body) else (tree.body[-1] if tree.body else None)
    call = ast.Expr(ast.Call(ast.Name(SNAPSHOT, ast.Load()), [], []))
    line = anchor.lineno if anchor is not None else 1
    for part in ast.walk(call):
        part.lineno = part.end_lineno = line  # type: ignore[attr-defined]  # nodes with a place
        part.col_offset = part.end_col_offset = 0  # type: ignore[attr-defined]  # likewise
    tree.body.insert(place, call)


def _call(name: str, args: list[ast.expr], like: ast.expr) -> ast.Call:
    call = ast.Call(ast.Name(name, ast.Load()), args, [])
    ast.copy_location(call, like)
    for part in (call.func, *args):
        ast.copy_location(part, like)
    return call
