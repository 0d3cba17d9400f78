"""From a plan to prepared writes on live objects.

Takes: a draft of the plan and the world. Gives: a :class:`hotswap.commit.Swap`, or a refusal.
May touch: nothing that the program can see; new values are made aside, in staging modules.
Must not: write to the live program; that is what :mod:`hotswap.commit` does.
"""
