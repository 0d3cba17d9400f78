"""Speed as ratios measured in one run: ``python -m tests.benchmarks`` prints the table, ``--quick`` a small one."""
