"""Who moves when.

Takes: the draft of a plan. Gives: findings about code that still runs. May touch: nothing. Must not: wait while a
lock is held. Consistency is ``immediate`` for now: at the commit all calls take the new code.
"""
