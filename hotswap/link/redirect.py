"""Leads a function object that exists to the code that it shall run: in the same object, or over a trampoline.

    old and new function                           mechanism
    same free variables                            jump: code, defaults, annotations, dict in the same object
    other free variables, all of them at hand      trampoline to a function over the cells at hand
    a variable that the closure never captured     old code kept and named (HS404)
    other globals (moved), another kind of object  trampoline
    removed                                        trampoline to a stub that says so
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import CellType, CodeType, FunctionType
from typing import Any

from hotswap.commit import MISSING, Swap, Write, set_cell, set_function
from hotswap.fingerprint import same_value
from hotswap.link.attributes import merged_defaults, write_attributes
from hotswap.link.holders import own_attribute
from hotswap.link.trampoline import PARAMETER, Target, flag_of, kind_of, target_of, trampoline_code
from hotswap.model import Finding, Mechanism, Redirect, Severity


def jump_code(
    swap: Swap,
    function: FunctionType,
    code: CodeType,
    cells: Mapping[str, CellType],
    module: str,
    space: dict[str, Any] | None = None,
) -> FunctionType:
    """Give a live function another code object; gives the function that names should be bound to afterwards.

    Args:
        cells: further cells that may be used, by name of the free variable (``__class__``).
        module: for the report.
        space: the globals of the new code, where its definition has moved to another module.
    """
    old = function.__code__
    if old is code:
        return function
    if old.co_freevars == code.co_freevars and space is None:
        swap.add(set_function(function, "__code__", code))
        if function.__name__ == old.co_name != code.co_name:
            swap.add(set_function(function, "__name__", code.co_name))
        if function.__qualname__ == old.co_qualname != code.co_qualname:
            swap.add(set_function(function, "__qualname__", code.co_qualname))
        _set_doc(swap, function, code)
        return function
    held = dict(zip(old.co_freevars, function.__closure__ or (), strict=True)) | dict(cells)
    missing = [name for name in code.co_freevars if name not in held]
    if missing:
        finding = Finding(
            code="HS404",
            severity=Severity.KEPT,
            message=f"a live closure {module}.{old.co_qualname} never captured {', '.join(missing)} and keeps its old code",
            file=code.co_filename,
            line=code.co_firstlineno,
            next_step="make the closure again",
        )
        swap.unfollowed.append((function, finding))
        return function
    direct = copy_function(function, code, tuple(held[name] for name in code.co_freevars), space)
    lead(swap, function, direct, module, old.co_qualname)
    return direct


def _set_doc(swap: Swap, function: FunctionType, code: CodeType) -> None:
    """The docstring is part of the code; a docstring that was assigned stays."""
    old, new = doc_of(function.__code__), doc_of(code)
    if old != new and function.__doc__ == old:
        swap.add(set_function(function, "__doc__", new))


def doc_of(code: CodeType) -> str | None:
    """The docstring of a function's code: its first constant, which is None where there is none (before 3.14)."""
    if sys.version_info >= (3, 14) and not code.co_flags & 0x4000000:  # CO_HAS_DOCSTRING
        return None
    first = code.co_consts[0] if code.co_consts else None
    return first if isinstance(first, str) else None


def copy_function(
    function: FunctionType, code: CodeType, closure: tuple[CellType, ...] | None, space: dict[str, Any] | None = None
) -> FunctionType:
    """The same function with other code and cells, and other globals where ``space`` is given."""
    space = function.__globals__ if space is None else space
    twin = FunctionType(code, space, function.__name__, function.__defaults__, closure or None)
    twin.__kwdefaults__ = function.__kwdefaults__
    twin.__qualname__ = function.__qualname__
    twin.__module__ = function.__module__
    twin.__doc__ = function.__doc__
    twin.__dict__.update(function.__dict__)
    twin.__annotations__ = function.__annotations__
    return twin


def take_over(swap: Swap, function: FunctionType, new: FunctionType) -> None:
    """Make a live function equal to a new one in all but identity and code: defaults, annotations, dict, cells.

    Caller has made sure that the code was or will be jumped, and that ``new`` refers to live objects only.
    """
    for name, value in zip(("__defaults__", "__kwdefaults__"), merged_defaults(swap, function, new), strict=True):
        if not same_value(getattr(function, name), value):
            swap.add(set_function(function, name, value))
    if not same_value(function.__annotations__, new.__annotations__):
        swap.add(set_function(function, "__annotations__", new.__annotations__))
    if function.__doc__ != new.__doc__:
        swap.add(set_function(function, "__doc__", new.__doc__))
    if getattr(function, "__type_params__", ()) != getattr(new, "__type_params__", ()):
        swap.add(set_function(function, "__type_params__", getattr(new, "__type_params__", ())))
    changes = {}
    for key in function.__dict__.keys() | new.__dict__.keys():
        old, value = function.__dict__.get(key, MISSING), new.__dict__.get(key, MISSING)
        if key != "__wrapped__":
            value = swap.merge(function, f".{key}", old, value)
        elif value is MISSING and target_of(function) is not None:  # functools.wraps was not taken away
            continue
        if old is not value:
            changes[key] = value
    swap.add(*write_attributes(function, changes))


def redirect(swap: Swap, old: FunctionType, new: Any, module: str, qualname: str) -> bool:
    """Lead references of one function object to another callable; True if the old object can stay in its place."""
    swap.led.add(id(old))
    if type(new) is FunctionType and can_jump(old, new):
        swap.add(*drop_wrapped(old))
        if old.__code__ is not new.__code__:
            swap.add(set_function(old, "__code__", new.__code__))
        _take_cells(swap, old, new)
        take_over(swap, old, new)
        for name in ("__name__", "__qualname__", "__module__"):
            if getattr(old, name) != getattr(new, name):
                swap.add(set_function(old, name, getattr(new, name)))
        swap.redirects.append(Redirect(module=module, qualname=qualname, mechanism=Mechanism.JUMP))
        return True
    lead(swap, old, new, module, qualname)
    return False


def can_jump(old: FunctionType, new: FunctionType) -> bool:
    """True where a live function can become a new one, and stay the object that it is."""
    return old.__globals__ is new.__globals__ and len(old.__closure__ or ()) == len(new.__closure__ or ())


def _take_cells(swap: Swap, old: FunctionType, new: FunctionType) -> None:
    names = new.__code__.co_freevars
    stored = _stored_names(new.__code__) if old.__code__.co_freevars == names else set()
    for name, mine, theirs in zip(names, old.__closure__ or (), new.__closure__ or (), strict=True):
        if mine is theirs or name in stored or name == "__class__":
            continue  # what the inner function assigns with nonlocal is state of the program
        try:
            value = theirs.cell_contents
        except ValueError:
            continue
        if not _holds(mine, value) and value is not old:
            swap.add(set_cell(mine, value))


def _holds(cell: CellType, value: Any) -> bool:
    try:
        return cell.cell_contents is value
    except ValueError:
        return False


def _stored_names(code: CodeType) -> set[str]:
    import dis

    return {i.argval for i in dis.get_instructions(code) if i.opname in ("STORE_DEREF", "DELETE_DEREF")}


def drop_wrapped(function: FunctionType) -> list[Write]:
    """The mark that a trampoline left for ``inspect.signature``."""
    if target_of(function) is None or "__wrapped__" not in function.__dict__:
        return []
    held = function.__dict__["__wrapped__"]
    return [Write((function.__dict__.pop, "__wrapped__", None), (dict.__setitem__, function.__dict__, "__wrapped__", held))]


def lead(swap: Swap, old: FunctionType, target: Any, module: str, qualname: str) -> None:
    """Put a trampoline into a function; one that is there already is re-pointed."""
    swap.led.add(id(old))
    if target_of(old) is not None:
        _point(swap, old, target)
    else:
        for held in swap.trampolines:  # who was led to this function is led on directly: a chain would grow with each swap
            if held is not old and target_of(held).__wrapped__ is old:  # type: ignore[union-attr]  # what is held leads somewhere
                _point(swap, held, target)
        code = trampoline_code(old, kind_of(target))
        swap.add(set_function(old, "__code__", code), set_function(old, "__kwdefaults__", {PARAMETER: Target(target)}))
        _mark(swap, old, target)
    swap.redirects.append(Redirect(module=module, qualname=qualname, mechanism=Mechanism.TRAMPOLINE))


def _point(swap: Swap, function: FunctionType, target: Any) -> None:
    """Lead a trampoline elsewhere."""
    handle: Any = target_of(function)
    swap.add(Write((setattr, handle, "__wrapped__", target), (setattr, handle, "__wrapped__", handle.__wrapped__)))
    _mark(swap, function, target)


def _mark(swap: Swap, function: FunctionType, target: Any) -> None:
    """Let ``inspect.signature`` see what a trampoline leads to; kept up to date, or what was led to before could never die."""
    if callable(target):
        swap.add(*write_attributes(function, {"__wrapped__": target}))


def repoint_partial(swap: Swap, live: Any, new: Any) -> bool:
    """Let a live partial call what a new one calls, with its arguments; False where it does."""
    state, fresh = ((each.func, each.args, each.keywords, each.__dict__ or None) for each in (live, new))
    if state[0] is fresh[0] and same_value(state[1:3], fresh[1:3]):
        return False
    swap.add(Write((live.__setstate__, fresh), (live.__setstate__, state)))
    return True


def settle_trampolines(swap: Swap) -> None:
    """Make each trampoline of the kind of what it will lead to, and of its name: a target may have got other code, or be
    another one. Last of all, when all functions are prepared."""
    coming: dict[tuple[int, str], Any] = {}
    for call in (write.do for write in swap.writes if write.do[0] is setattr):
        coming[id(call[1]), call[2]] = call[3]
    made = [write.do[1] for write in swap.writes if write.do[0] is setattr and write.do[2] == "__kwdefaults__"]
    for function in {id(item): item for item in (*swap.trampolines, *made)}.values():
        defaults = coming.get((id(function), "__kwdefaults__"), function.__kwdefaults__)
        if (handle := (defaults or {}).get(PARAMETER)) is None:
            continue
        target = coming.get((id(handle), "__wrapped__"), handle.__wrapped__)
        kind = kind_of(target, lambda item: coming.get((id(item), "__code__"), item.__code__))
        if flag_of(coming.get((id(function), "__code__"), function.__code__)) != kind:
            swap.add(set_function(function, "__code__", trampoline_code(function, kind)))
        if defaults is not function.__kwdefaults__ or (id(handle), "__wrapped__") in coming:
            for name, value in _shown_by(target).items():
                if not same_value(getattr(function, name), new := coming.get((id(target), name), value)):
                    swap.add(set_function(function, name, new))


_SHOWN = ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__")


def _shown_by(target: Any) -> dict[str, Any]:
    """What a callable shows of itself as a function does; nothing for what is written for the trampoline alone."""
    if type(target) is FunctionType:
        is_own = str(target.__globals__.get("__name__")).startswith("hotswap.")
        return {} if is_own else {name: getattr(target, name) for name in _SHOWN}
    return {name: held for name in _SHOWN if (held := own_attribute(target, name)) is not MISSING}
