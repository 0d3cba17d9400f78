"""From two texts to a plan.

Takes: the loaded text and the new text of each edited module, summaries of the other managed modules, and
facts about live values as plain words. Gives: a :class:`hotswap.model.Plan` and the pairing of code objects.
May touch: nothing. Must not: hold a live object of the program, or execute any of its code.
"""
