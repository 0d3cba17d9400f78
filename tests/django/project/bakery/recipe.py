"""Two steps: a page that shows both must show one version of them."""


def first():
    return "flour 1"


def second():
    return "water 1"
