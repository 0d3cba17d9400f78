"""Code that leads a call of an old function on to another callable, keeping the old function's kind.

The target sits in a wrapt proxy among the constants of the code, so that a later swap can re-point it. Coroutine
functions stay coroutine functions, generator functions generator functions: ``inspect`` and schedulers ask.
"""

from __future__ import annotations

import inspect
from types import CodeType, FunctionType
from typing import Any

import wrapt

from hotswap.errors import RemovedError

_SENTINEL = "hotswap target"


class Target(wrapt.CallableObjectProxy):  # type: ignore[misc, no-any-unimported]
    """The stable handle between a trampoline and what it leads to."""


def _plain(*args: Any, **kwargs: Any) -> Any:
    target: Any = "hotswap target"
    return target(*args, **kwargs)


async def _coroutine(*args: Any, **kwargs: Any) -> Any:
    target: Any = "hotswap target"
    found = target(*args, **kwargs)
    return await found if hasattr(found, "__await__") else found


def _generator(*args: Any, **kwargs: Any) -> Any:
    target: Any = "hotswap target"
    found = target(*args, **kwargs)
    if hasattr(found, "__iter__"):
        return (yield from found)
    return found


async def _async_generator(*args: Any, **kwargs: Any) -> Any:
    target: Any = "hotswap target"
    found = target(*args, **kwargs)
    try:
        sent = None
        while True:
            try:
                item = await found.asend(sent)
            except StopAsyncIteration:
                return
            try:
                sent = yield item
            except GeneratorExit:
                raise
            except BaseException as error:
                item = await found.athrow(error)
                sent = yield item
    finally:
        await found.aclose()


def trampoline_code(function: FunctionType, target: Any) -> tuple[CodeType, Target]:
    """Code for ``function`` that calls ``target``; it keeps the free variables that the function holds.

    The kind of the old function is kept only where the new one is of the same kind: a caller that awaited goes on
    awaiting, and after an edit from plain to coroutine function the caller gets what the new text gives.
    """
    kind = _kind(function) if _kind(function) == _kind(target) else "plain"
    template = {"plain": _plain, "coroutine": _coroutine, "generator": _generator, "async generator": _async_generator}[kind]
    handle = Target(target)
    code = template.__code__
    return (
        code.replace(
            co_consts=tuple(handle if const == _SENTINEL and type(const) is str else const for const in code.co_consts),
            co_freevars=function.__code__.co_freevars,
            co_name=function.__code__.co_name,
            co_qualname=function.__code__.co_qualname,
        ),
        handle,
    )


def target_of(function: FunctionType) -> Target | None:
    """The handle of a function that is a trampoline, else None."""
    for const in function.__code__.co_consts:
        if type(const) is Target:
            return const
    return None


def removed_stub(module: str, qualname: str) -> FunctionType:
    """A function that says clearly that the definition behind a held reference is gone."""

    def removed(*args: Any, **kwargs: Any) -> Any:
        raise RemovedError(module, qualname)

    return removed


def _kind(function: Any) -> str:
    if inspect.iscoroutinefunction(function):
        return "coroutine"
    if inspect.isasyncgenfunction(function):
        return "async generator"
    return "generator" if inspect.isgeneratorfunction(function) else "plain"
