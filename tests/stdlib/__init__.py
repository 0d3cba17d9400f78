"""CPython's own tests on swapped modules of the standard library: ``python -m tests.stdlib`` prints the table."""
