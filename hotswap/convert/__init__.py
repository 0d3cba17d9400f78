"""Objects of classes that changed: they carry a version, and are converted on their first access.

Takes: the leap that each class makes, from the link stage, and the objects that the commit lists. Gives: counts, and
errors of hooks as values. May touch: objects of these classes, and three attributes of the classes while objects wait.
Must not: hold a lock while a hook runs, or decide what is to be converted.
"""
