"""Settings that the application reads from here."""

COLOUR = "blue"
PAGE_SIZE = 10
NAMES = ["one", "two"]


class Limits:
    MAX_PARTS = 5
    MIN_PARTS = 1
