"""What this process has in memory: a restart loses it."""

VISITS = {"count": 0}
BAKED = []


def visit():
    VISITS["count"] += 1
    return VISITS["count"]
