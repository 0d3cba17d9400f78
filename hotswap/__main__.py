"""``python -m hotswap`` is the ``hotswap`` command."""

from __future__ import annotations

from hotswap.control.cli import main

main()
