"""The chain of middleware in Django's handlers: made anew where the list, or what middleware reads, or a hook has changed.

Objects of the program's own middleware classes keep what they hold: the new object of a class takes the attributes over that the
old one had, but for its place in the chain (``get_response``). Django's own are plainly made anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

_HOOKS = (
    ("process_view", "_view_middleware"),
    ("process_template_response", "_template_response_middleware"),
    ("process_exception", "_exception_middleware"),
)


def rebuild_chains(handlers: Iterable[Any]) -> None:
    """Make the chains of handlers anew.

    Raises:
        Exception: of a middleware that cannot be imported or made; all handlers go on with the chains that they had.
    """
    done: list[tuple[Any, dict[str, Any]]] = []
    try:
        for handler in handlers:
            if handler._middleware_chain is not None:
                done.append((handler, dict(vars(handler))))
                _rebuild(handler)
    except BaseException:  # raised again, with the chains of before
        for handler, before in done:
            vars(handler).update(before)
        raise


def has_other_hooks(handlers: Iterable[Any]) -> bool:
    """True where an object of a chain has got or lost a method that Django has collected when the chain was made."""
    return any(
        hasattr(item, hook) is not any(_owner(method) is item for method in getattr(handler, collected) or ())
        for handler in handlers
        for item in _walk(handler._middleware_chain)
        for hook, collected in _HOOKS
    )


def _owner(method: Any) -> Any:
    """Whose method it is, below what asgiref has wrapped around it."""
    while method is not None and not hasattr(method, "__self__"):
        method = _inside(method)
    return getattr(method, "__self__", None)


def _rebuild(handler: Any) -> None:
    before = {type(item): item for item in _walk(handler._middleware_chain)}
    if _is_async(handler):
        handler.load_middleware(is_async=True)
    else:
        handler.load_middleware()
    for item in _walk(handler._middleware_chain):
        _take_state(before.get(type(item)), item)


def _is_async(handler: Any) -> bool:
    from django.core.handlers.asgi import ASGIHandler

    return isinstance(handler, ASGIHandler)


def _walk(chain: Any) -> Iterator[Any]:
    """The objects of a chain from the outside in, as far as Django's wrappers show them."""
    seen = set()
    while chain is not None and id(chain) not in seen:
        seen.add(id(chain))
        inner = _inside(chain)
        if inner is None:
            yield chain
            inner = vars(chain).get("get_response") if hasattr(chain, "__dict__") else None
        chain = inner


def _inside(wrapper: Any) -> Any:
    """What a wrapper of Django's or of asgiref's leads to; None for middleware itself."""
    if type(wrapper).__module__ == "asgiref.sync":
        return getattr(wrapper, "func", None) or getattr(wrapper, "awaitable", None)
    return getattr(wrapper, "__wrapped__", None)


def _take_state(old: Any, new: Any) -> None:
    if old is None or type(new).__module__.partition(".")[0] == "django" or not hasattr(new, "__dict__"):
        return
    vars(new).update({name: value for name, value in _state(old) if name != "get_response"})


def _state(item: Any) -> Iterable[tuple[str, Any]]:
    # async_mode is worked out anew for the new place.
    return [(name, value) for name, value in vars(item).items() if name not in ("async_mode", "_is_coroutine")]
