"""The ways in from outside the process, and what is said to people.

Takes: commands from the terminal or from the local socket, and the engine's reports. Gives: calls of the engine, and
blocks of text or lines of JSON on stderr. May touch: the per-user runtime directory and its sockets. Must not: do
anything that is not in the table of :mod:`hotswap.control.commands`, evaluate what a peer sends, or write to stdout
of the program.
"""
