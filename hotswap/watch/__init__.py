"""From saves to change sets: the first stage.

Takes: the files of managed modules, as they are loaded. Gives: one :class:`~hotswap.model.ChangeSet` per batch of
saves, handed to the engine. May touch: the file system, for reading. Must not: look into modules or plans, nor do
anything in the system's callback but put the event into a queue.

    system event ──► SimpleQueue ──► Batch (debounce) ──► read, compare ──► ChangeSet ──► engine.swap
    sweep every 2 s ─┘
"""

from __future__ import annotations

from hotswap.watch.waiting import wait_for_save
from hotswap.watch.watcher import Watcher

__all__ = ["Watcher", "wait_for_save"]
