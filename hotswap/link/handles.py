"""wrapt proxies for callables that have no ``__code__``: put in place while their module executes.

A bound method or a builtin bound to a module name cannot be jumped. So the module's text is executed with such
assignments passed through :func:`as_handle`, before anyone can take the bare object; a swap re-points the proxy.
"""

from __future__ import annotations

import ast
import functools
import operator
import pkgutil
import types
from collections.abc import Callable
from typing import Any

import wrapt

#: Bound in the module's namespace while it executes.
HOOK = "__hotswap_handle__"
SNAPSHOT = "__hotswap_snapshot__"


class Handle(wrapt.CallableObjectProxy):  # type: ignore[type-arg]
    """A callable module attribute that can be re-pointed; otherwise like what it wraps.

    Pickles by its name in its module, as functions do, and needs no hotswap to be loaded again.
    """

    __hotswap_handle__ = True

    def __init__(self, wrapped: Any, module: str, name: str) -> None:
        super().__init__(wrapped)
        self._self_module = module
        self._self_name = name
        self._self_hash = hash(wrapped)

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


_KINDS = (
    types.BuiltinFunctionType,
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
    """The value, in a proxy where it needs one."""
    return Handle(value, module, name) if needs_handle(value) else value


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
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=(ast.Name() | ast.Attribute() | ast.Call()) as value):
                node.value = _call(HOOK, [ast.Constant(name), value], value)
            case ast.AnnAssign(target=ast.Name(id=name), value=(ast.Name() | ast.Attribute() | ast.Call()) as value):
                node.value = _call(HOOK, [ast.Constant(name), value], value)
    if on_ready is not None:
        namespace[SNAPSHOT] = on_ready
        _insert_snapshot(tree)
    return tree


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
        part.lineno = part.end_lineno = line  # type: ignore[attr-defined]
        part.col_offset = part.end_col_offset = 0  # type: ignore[attr-defined]
    tree.body.insert(place, call)


def _call(name: str, args: list[ast.expr], like: ast.expr) -> ast.Call:
    call = ast.Call(ast.Name(name, ast.Load()), args, [])
    ast.copy_location(call, like)
    for part in (call.func, *args):
        ast.copy_location(part, like)
    return call
