"""Code that leads a call of an old function on to another callable, keeping the old function's kind.

The target sits in a wrapt proxy, the default of a keyword-only parameter, so that a later swap can re-point it; among
the constants of the code the collector would not see it, and a cycle through it would never be freed. Coroutine functions
stay coroutine functions, generator functions generator functions: ``inspect`` and schedulers ask.
"""

from __future__ import annotations

import inspect
from types import CodeType, FunctionType
from typing import Any, cast

import wrapt

from hotswap.errors import RemovedError

#: The keyword-only parameter that holds the target.
PARAMETER = "__hotswap_target__"


class Target(wrapt.CallableObjectProxy):  # type: ignore[type-arg]
    """The stable handle between a trampoline and what it leads to."""


def _plain(*args: Any, __hotswap_target__: Any, **kwargs: Any) -> Any:
    return __hotswap_target__(*args, **kwargs)


async def _coroutine(*args: Any, __hotswap_target__: Any, **kwargs: Any) -> Any:
    found = __hotswap_target__(*args, **kwargs)
    return await found if hasattr(found, "__await__") else found


def _generator(*args: Any, __hotswap_target__: Any, **kwargs: Any) -> Any:
    found = __hotswap_target__(*args, **kwargs)
    if hasattr(found, "__iter__"):
        return (yield from found)
    return found


async def _async_generator(*args: Any, __hotswap_target__: Any, **kwargs: Any) -> Any:
    found = __hotswap_target__(*args, **kwargs)
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
            except BaseException as error:  # noqa: BLE001 - thrown in, to be thrown on
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
            co_freevars=function.__code__.co_freevars,
            co_name=function.__code__.co_name,
            co_qualname=function.__code__.co_qualname,
        ),
        handle,
    )


def target_of(function: FunctionType) -> Target | None:
    """The handle of a function that is a trampoline, else None."""
    found = (function.__kwdefaults__ or {}).get(PARAMETER)
    return found if type(found) is Target else None


def removed_stub(module: str, qualname: str) -> FunctionType:
    """A function that says clearly that the definition behind a held reference is gone."""

    def removed(*args: Any, **kwargs: Any) -> Any:
        raise RemovedError(module, qualname)

    return cast(FunctionType, removed)


def _kind(function: Any) -> str:
    if inspect.iscoroutinefunction(function):
        return "coroutine"
    if inspect.isasyncgenfunction(function):
        return "async generator"
    return "generator" if inspect.isgeneratorfunction(function) else "plain"
