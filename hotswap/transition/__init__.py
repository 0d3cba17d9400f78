"""Who moves when.

    consistency     the least that is safe for a plan, and why
    mover           carries a change in with it: who is waited for, how long, what undoes it
    rest            whether anybody is in what changes: patiently, and once more inside of the commit
    moving          old and new code side by side, for units of work that have begun and for new ones

Takes: the draft of a plan, prepared writes, a wish. Gives: who is in the way; findings about code that still runs. May touch: the
program, by the writes that it is given; the gate of units of work. Must not: wait without a limit, or hold a lock that a unit
needs. Where nobody wishes anything a change is ``immediate``: at the commit all calls take the new code.
"""
