"""Whether threads are what they seem: gevent and eventlet replace those of the standard library by greenlets."""

from __future__ import annotations

import sys


def patched_by() -> str:
    """The library that has replaced threads by greenlets, empty where they are threads; nothing is imported for it."""
    gevent, eventlet = (sys.modules.get(name) for name in ("gevent.monkey", "eventlet.patcher"))
    if gevent is not None and getattr(gevent, "is_module_patched", lambda name: False)("threading"):
        return "gevent"
    if eventlet is not None and getattr(eventlet, "is_monkey_patched", lambda name: False)("thread"):
        return "eventlet"
    return ""
