"""Plugins: pluggy hook specifications, found by entry points.

Takes: stages' questions. Gives: answers of plugins, broken ones turned into findings. Must not: write to the program.
"""
