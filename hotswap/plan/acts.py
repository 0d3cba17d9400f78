"""What a call does to something that is no global: ``Thread(f).start()``, ``TABLE["x"].stop()``, ``local.run()``.

Whether that is an effect outside of managed data is told by what the object is made by, and by the name of the method:

    the object       made by                        an effect is
    has no name      a foreign call                 any method: it is called for nothing else
    has no name      a managed function or class    a method that neither managed classes nor builtin objects have
    is an element    of a table with opaque things  the same
    is a local       a foreign function             the same: it may be somebody's, as a logger is
    is a local       a foreign class                a method that goes out by its name: the object is made aside as well
    is a local       anything else                  the same, where no managed class has such a method

What a managed class or function does itself is followed. Objects of harmless modules do nothing outside.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Sequence

import attrs

from hotswap.plan.bindings import dotted
from hotswap.plan.trees import walk

#: Calls that make somebody outside of the program call what they are given, later and without being asked again.
REGISTERING_CALLS = frozenset(
    "atexit.register signal.signal signal.setitimer os.register_at_fork sys.settrace sys.setprofile sys.addaudithook "
    "threading.settrace threading.setprofile weakref.finalize _thread.start_new_thread asyncio.create_task "
    "asyncio.ensure_future codecs.register faulthandler.register "
    # Django's, which keep what they are given in registries that nobody can see: a signal holds a weak reference to it.
    "django.dispatch.receiver django.dispatch.dispatcher.receiver django.contrib.admin.register "
    "django.contrib.admin.decorators.register django.core.checks.register django.core.checks.registry.register".split()
)
#: Methods that do so, of objects that are no part of the program.
REGISTERING_METHODS = frozenset(
    "start addHandler addFilter add_done_callback call_soon call_soon_threadsafe call_later call_at add_signal_handler "
    "add_reader add_writer enter enterabs submit create_task run_in_executor apply_async start_soon".split()
)
#: Calls of libraries that keep what they are given in what they make, until a request comes; to make that again is no act.
KEEPING_CALLS = frozenset(
    "django.urls.path django.urls.re_path django.urls.include django.urls.conf.path django.urls.conf.re_path "
    "django.urls.conf.include starlette.routing.Route starlette.routing.Mount starlette.routing.WebSocketRoute "
    "aiohttp.web.get aiohttp.web.post aiohttp.web.put aiohttp.web.patch aiohttp.web.delete aiohttp.web.route".split()
)
#: Methods that do so, of objects that are no part of the program.
KEEPING_METHODS = frozenset(
    "connect add_url_rule add_route add_api_route add_websocket_route add_event_handler add_exception_handler add_middleware "
    "add_command add_get add_post register_error_handler set_defaults".split()
)
#: Those that set something going at once: not even what is new itself may do so aside.
STARTING_METHODS = frozenset("start submit apply_async run_in_executor start_soon create_task".split())
#: Further methods that reach out of an object, to files, other processes, the screen or the object's owner.
OUTGOING_METHODS = REGISTERING_METHODS | frozenset(
    "connect connect_ex send sendall sendto bind listen serve serve_forever execute executemany executescript commit write "
    "writelines write_text write_bytes mkdir touch unlink rmdir rename symlink_to chmod publish emit post put_nowait run "
    "run_forever run_until_complete communicate terminate kill shutdown notify_all setLevel removeHandler subscribe".split()
)
#: What they make keeps what it is given until it is started. By the last part of the name: subclasses are called so, too.
STARTED_LATER = frozenset({"Thread", "Timer", "Process"})

_KEEPING_NAMES = frozenset(name.rpartition(".")[2] for name in KEEPING_CALLS)
#: Methods that change at most an object of a builtin kind, or only read.
_BUILTIN_METHODS = frozenset(
    name for kind in (dict, list, set, frozenset, str, bytes, bytearray, tuple, int, property) for name in dir(kind)
) | frozenset(
    "appendleft extendleft popleft rotate move_to_end subtract elements most_common close seek read readline readlines tell send "
    "throw acquire release cache_clear register unregister connect route".split()
)


@attrs.frozen
class Act:
    """A method that is called on something without a name.

    Attributes:
        root: the global that makes it, or that it is an element of; empty where nobody can tell.
        is_made: it is what a call of the root gives.
        method: empty where the thing itself is called.
        is_statement: nobody takes the result.
        is_local: a local name, or an attribute of one, stands for the object.
    """

    root: str
    is_made: bool
    method: str
    is_statement: bool
    is_local: bool = False

    @property
    def name(self) -> str:
        """As a person would write it."""
        owner = f"{self.root}()" if self.is_made else self.root
        return f"{owner}.{self.method}".strip(".")


def find_acts(call: ast.Call, local: Collection[str], makers: Makers, *, is_statement: bool) -> Iterator[Act]:
    """What a call does to something without a name.

    Args:
        local: names that are no globals.
        makers: what has made the objects that locals are bound to.
    """
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    node: ast.expr = call.func.value if isinstance(call.func, ast.Attribute) else call.func
    is_made = False
    while True:
        chain = dotted(node)
        if chain is not None and chain.partition(".")[0] not in local:
            yield Act(chain, is_made, method, is_statement)
            return
        if chain is not None and not is_made and (known := makers.of(chain)):
            yield from (Act(maker, True, method, is_statement, is_local=True) for maker in known)
            return
        if isinstance(node, ast.Call):
            node, is_made = node.func, True
        elif isinstance(node, (ast.Subscript, ast.Attribute, ast.Await)):
            node = node.value
        else:
            if not isinstance(node, (ast.Constant, ast.JoinedStr)):
                yield Act("", False, method, is_statement, is_local=True)
            return


@attrs.define(eq=False)
class Makers:
    """By the dotted names that a body assigns, the globals whose calls make what they are bound to; looked for when asked."""

    body: Sequence[ast.AST] = ()
    local: Collection[str] = ()
    outer: Makers | None = None
    _found: dict[str, set[str]] | None = None

    def of(self, name: str) -> set[str]:
        if self._found is None:
            self._found = {}
            for target, value in _assigned(self.body):
                chain, maker = dotted(target), dotted(value.func) if isinstance(value, ast.Call) else None
                if chain is not None and maker is not None and maker.partition(".")[0] not in self.local:
                    self._found.setdefault(chain, set()).add(maker)
        return self._found.get(name) or (self.outer.of(name) if self.outer is not None else set())


def _assigned(body: Iterable[ast.AST]) -> Iterator[tuple[ast.expr, ast.expr]]:
    for node in walk(body):
        if isinstance(node, ast.Assign):
            yield from ((target, node.value) for target in node.targets)
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            yield node.target, node.value
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            yield node.optional_vars, node.context_expr


def keeps_for_later(call: ast.Call) -> str:
    """By what a call is known, as a chain or as ``.method``, that keeps what it is given and calls it later; else empty."""
    chain = dotted(call.func)
    last = chain.rpartition(".")[2] if chain is not None else ""
    if chain is not None and (chain in REGISTERING_CALLS or last in STARTED_LATER or last in _KEEPING_NAMES):
        return chain
    if isinstance(call.func, ast.Attribute) and call.func.attr in REGISTERING_METHODS | KEEPING_METHODS:
        return chain or f".{call.func.attr}"
    return ""


def keeps_arguments(taker: str, name: str) -> bool:
    """True for what :func:`keeps_for_later` has given, where nobody of the program is meant by it.

    Args:
        taker: as it stands in the text.
        name: in full, with its module.
    """
    last = taker.rpartition(".")[2]
    is_by_name = last in _KEEPING_NAMES and taker not in REGISTERING_CALLS and last not in REGISTERING_METHODS | KEEPING_METHODS
    return not is_by_name or name in KEEPING_CALLS


def is_builtin_method(name: str) -> bool:
    """True for a method of builtin objects, and for special ones."""
    return not name or name.startswith("__") or name in _BUILTIN_METHODS
