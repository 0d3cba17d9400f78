"""The page beside the program: what open pages in a browser are told, and the status page.

Takes: reports, and what a framework's plugin says has changed. Gives: events for browsers, HTML, and a script for pages of the
program. May touch: a loopback port of its own and its threads. Must not: know a framework, listen on another address, carry out
anything but the commands of :data:`hotswap.page.server.COMMANDS_HERE`, or give a peer anything without the token.

Events come from a port of their own, since a stream inside of the program's own server keeps that from ending.
"""

from hotswap.page.board import Board
from hotswap.page.page import Page
from hotswap.page.view import Blocker, Guest, Rest

__all__ = ["Blocker", "Board", "Guest", "Page", "Rest"]
