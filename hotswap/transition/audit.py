"""Whether somebody listens to audit events: then the commit is not one instant.

Setting ``__code__`` and listing referrers raise audit events. A hook in Python runs in between, and lets other threads run.
"""

from __future__ import annotations

import sys

from hotswap.model import Finding, Severity


def is_audited() -> bool:
    """True where an audit hook exists, whenever it was added; False where that cannot be told (CPython 3.14 and newer).

    ``sys.audit`` looks at the type of its argument only where there is a hook, and then refuses this one before it
    calls any. Rejected: a hook of our own would slow down the program and the commit for ever, since none can be
    removed; a replaced ``sys.addaudithook`` would miss the earlier ones.
    """
    if sys.version_info >= (3, 14):
        return False  # it looks always
    try:
        sys.audit(0)  # type: ignore[arg-type]  # what is wrong about it is asked for
    except TypeError:
        return True
    return False


def find_audit_hook() -> list[Finding]:
    """The finding that says so (HS502)."""
    if not is_audited():
        return []
    return [
        Finding(
            code="HS502",
            severity=Severity.NOTE,
            message="there is an audit hook; one in Python runs inside the commit, where other threads may see a swap in parts",
            next_step="start without the hook while developing, or accept it",
        )
    ]
