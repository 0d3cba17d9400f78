"""What the process remembers, and a fresh start does not."""

import os

LOG: list[str] = []
VISITS: list[str] = []
PID = os.getpid()
