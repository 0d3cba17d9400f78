"""Code that leads a call of an old function on to another callable, and is of the kind of that.

The target sits in a wrapt proxy, the default of a keyword-only parameter, so that a later swap can re-point it; among
the constants of the code the collector would not see it, and a cycle through it would never be freed. What leads to a
coroutine function is one, what leads to a generator function is one of those: ``inspect`` and schedulers ask.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from types import CodeType, FunctionType, MethodType
from typing import Any, cast

import wrapt

from hotswap.errors import RemovedError
from hotswap.kinds import PROXY, is_a

#: The keyword-only parameter that holds the target.
PARAMETER = "__hotswap_target__"


_KINDS = CO_COROUTINE | CO_GENERATOR | CO_ASYNC_GENERATOR


def flag_of(code: CodeType) -> int:
    return code.co_flags & _KINDS


class Target(wrapt.CallableObjectProxy):  # type: ignore[type-arg]  # generic in stubs only
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
    step, value = found.asend, None
    try:
        while True:
            try:
                item = await step(value)
            except StopAsyncIteration:
                return
            try:
                step, value = found.asend, (yield item)
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001 - thrown in, to be thrown on
                step, value = found.athrow, error
    finally:
        await found.aclose()


#: The code of a trampoline by the kind of what it leads to.
_TEMPLATES = {flag_of(f.__code__): f.__code__ for f in (_plain, _coroutine, _generator, _async_generator)}


def trampoline_code(function: FunctionType, kind: int) -> CodeType:
    """Code for ``function`` that calls its target; it keeps the free variables that the function holds.

    Args:
        kind: that of the target, see :func:`kind_of`: who asks and who awaits gets what the new text gives.
    """
    return _TEMPLATES[kind].replace(
        co_freevars=function.__code__.co_freevars,
        co_name=function.__code__.co_name,
        co_qualname=function.__code__.co_qualname,
    )


_WRAPPERS = (wrapt.FunctionWrapper, wrapt.BoundFunctionWrapper)


def kind_of(target: Any, code_of: Callable[[FunctionType], CodeType] = lambda function: function.__code__) -> int:
    """The flag of a function that gives a coroutine, a generator or an async generator; 0 for any other callable.

    Args:
        code_of: gives the code that a function will have.
    """
    while not is_a(target, FunctionType):
        if is_a(target, functools.partial):
            target = target.func
        elif is_a(target, MethodType):
            target = target.__func__
        elif is_a(target, PROXY) and not is_a(target, _WRAPPERS):  # what these give is for the wrapper of the program to say
            target = target.__wrapped__
        else:
            return 0
    return flag_of(code_of(target))


def target_of(function: FunctionType) -> Target | None:
    """The handle of a function that is a trampoline, else None."""
    found = (function.__kwdefaults__ or {}).get(PARAMETER)
    return found if type(found) is Target else None


def removed_stub(module: str, qualname: str) -> FunctionType:
    """A function that says clearly that the definition behind a held reference is gone."""

    def removed(*args: Any, **kwargs: Any) -> Any:
        raise RemovedError(module, qualname)

    return cast(FunctionType, removed)

