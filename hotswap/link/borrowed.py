"""Functions that an attribute of a class borrows: they have a name of their own elsewhere, and other users there.

    __gt__ = functools._gt_from_lt    a library's; ``total_ordering`` sets the same one in all classes that it decorates
    dump = staticmethod(json.dumps)   a library's
    run = one                         a function of the module
    greet = Base.hello                a method of another class, or of this one under another name

Led on, they would change for all of these; only the attribute gets the new one.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from hotswap.kinds import is_a
from hotswap.link.names import look_up, look_up_function
from hotswap.plugin.values import ClassPair


def is_borrowed(pair: ClassPair, name: str, function: Any) -> bool:
    """True for a function, or a wrapper around one, that belongs to something else than this attribute of the live class."""
    live = pair.live
    module, qualname = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if (module, qualname) == (live.__module__, f"{live.__qualname__}.{name}"):
        return False
    for home in {module, getattr(function, "__globals__", {}).get("__name__")}:
        space = _namespace(home)
        if look_up(space, qualname) is function or look_up_function(space, qualname) is function:
            return True
    return any(value is function for value in list(_namespace(live.__module__).values()))


def _namespace(module: Any) -> dict[str, Any]:
    found = sys.modules.get(module) if type(module) is str else None
    return found.__dict__ if is_a(found, ModuleType) else {}
