"""Signed patches carried into running services, with a way back.

    build ──file──► sign ──file──► spool ──doorbell──► agent: verify ──► base ──► engine ──► result, journal

Takes: two trees of sources, keys, orders from the terminal. Gives: patch files, orders in a spool, and calls of the engine in
the processes that have an agent. May touch: the spool of this user, ``sys.meta_path`` and ``linecache`` (texts of patches), one
signal. Must not: read more of a patch than its container, nor execute any of it, before signature and digests are verified; put
anything on the path of a call; wake up by itself while nothing is asked.
"""
