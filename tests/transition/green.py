"""greenlet and gevent, for tests that need it, and out of the way of all others.

Every look at frames passes over the heap where it is loaded, and the other tests of the process are to be without it.
"""

from __future__ import annotations

import sys

import gevent as gevent
import greenlet as greenlet

sys.modules.pop("greenlet", None)
