"""One process: imports a copied module and its tests, swaps it to an edited text if told to, runs the tests.

    worker.py FOLDER RESULT ATTACH EDITED MODULES TESTS LEAVE_OUT

FOLDER has the copied modules, EDITED (may be empty) the same files with other texts; RESULT is the file for what was
found. ATTACH is "late" (hotswap comes when module and tests are loaded, and runs on the copied module itself) or "import"
(the module is imported by the hook; what hotswap had imported for itself stays with the interpreter's own).
The tests are loaded before the swap, so that what they hold (names, subclasses, decorated functions) is from before.
"""

import sys

FOLDER, RESULT, ATTACH, EDITED, MODULES, TESTS, LEAVE_OUT = sys.argv[1:]
if __name__ == "__main__":
    del sys.argv[1:]
    sys.path.pop(0)  # this file's folder
    if ATTACH == "late":
        sys.path.insert(0, FOLDER)  # before anything else is imported: the whole process runs on the copied modules


def load_suite():
    """The tests, which import the module."""
    import importlib
    import unittest

    from test import support

    support.use_resources = []
    for name in MODULES.split(","):
        importlib.import_module(name)
    return unittest.defaultTestLoader.loadTestsFromNames(TESTS.split(","))


def forget_modules():
    """Have the modules imported again, from the folder."""
    tops = {name.partition(".")[0] for name in MODULES.split(",")}
    for name in list(sys.modules):
        if name.partition(".")[0] in tops:
            del sys.modules[name]


def main():
    """Do it all."""
    if ATTACH == "import":
        import hotswap

        if EDITED:
            hotswap.start([FOLDER], watch=False)
        forget_modules()
        sys.path.insert(0, FOLDER)
    suite = load_suite()
    sys.path.append(REPOSITORY)
    found = {}
    if EDITED:
        from tests.stdlib.swapping import swap

        found = swap(FOLDER, EDITED, start=ATTACH == "late")
    from tests.stdlib.outcomes import run

    found["outcomes"] = run(suite, [part for part in LEAVE_OUT.split(",") if part])
    import json

    with open(RESULT, "w") as stream:
        json.dump(found, stream)


REPOSITORY = __file__.rpartition("/tests/")[0]
if __name__ == "__main__":
    main()
