"""The stack of middleware of an application: made anew where its list changes; the program's objects keep what they hold.

    the list, or the arguments of one      here
    as before                              the stack stays, with all that is in it
    another                                made anew at once, so that an error takes the save back; an object of a managed
                                           class whose arguments are as before takes over what the old one held
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hotswap.plugin.keepers import plain


def rebuild_stack(app: Any, before: Any, rows: list[Any], is_managed: Callable[[type], bool]) -> None:
    """Make the stack of a live application.

    Args:
        before: the stack of before; None where no request has come yet, so that nothing needs to be made.
        rows: ``user_middleware`` of before.

    Raises:
        Exception: of the program's middleware.
    """
    if before is None:
        return
    app.middleware_stack = app.build_middleware_stack()
    arguments = {item.cls: _arguments(item) for item in rows}
    old = {type(item): item for item in _walk(before)}
    now = {item.cls: _arguments(item) for item in app.user_middleware}
    for item in _walk(app.middleware_stack):
        kind = type(item)
        if kind in old and is_managed(kind) and arguments.get(kind) == now.get(kind) and hasattr(item, "__dict__"):
            vars(item).update({name: value for name, value in vars(old[kind]).items() if name != "app"})


def _arguments(item: Any) -> Any:
    return plain([list(item.args), dict(item.kwargs)])


def _walk(stack: Any) -> Iterator[Any]:
    seen: set[int] = set()
    while stack is not None and id(stack) not in seen:
        seen.add(id(stack))
        yield stack
        stack = vars(stack).get("app") if hasattr(stack, "__dict__") else None
