"""For plugins that know a ``"keeper"``: functions of the program that have made one, or put something into it.

An application that ``create_app()`` has made for a server, or for a main module that is still executing, is bound to no name that
a plan makes anew. So it is noted who has registered what, and a change of that asks for a restart.

What is evaluated aside may put something into keepers that are made aside only. One of the program is not touched by it: a
statement that fills it by a way that nobody sees in its text (``box.app.get(…)``) is refused.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

import attrs

from hotswap.model import Edit, EditKind, Finding, ModulePlan, Plan, Severity
from hotswap.plugin.specs import EngineView
from hotswap.plugin.values import Refusal


@attrs.define(eq=False)
class _Aside:
    """One evaluation aside.

    Attributes:
        thread: which evaluates.
        made: the keepers that it has made, by id.
        refused: what it tried to put into another one.
    """

    thread: int
    made: dict[int, Any] = attrs.field(factory=dict)
    refused: list[Refusal] = attrs.field(factory=list)


@attrs.define(eq=False)
class Factories:
    """Who has made keepers.

    Attributes:
        follows: says of an edit that keepers follow it by themselves.
    """

    follows: Callable[[Edit], bool] = lambda edit: False
    # By id, since a router has no hash: the reference tells whether it is that one.
    _makers: dict[int, tuple[weakref.ref[Any], set[CodeType]]] = attrs.field(factory=dict, init=False)
    _aside: _Aside | None = attrs.field(default=None, init=False)

    def noting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A method of a keeper that notes who calls it; for :meth:`hotswap.requests.Passage.replace`."""

        is_making = original.__name__ == "__init__"

        def method(keeper: Any, *args: Any, **kwargs: Any) -> Any:
            self._keep_apart(keeper, sys._getframe(1), is_making)
            self._note(keeper, sys._getframe(1))
            return original(keeper, *args, **kwargs)

        return method

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What surrounds an evaluation aside, for :meth:`hotswap.plugin.specs.Specs.hotswap_aside`.

        Raises:
            Refusal: it tried to put something into a keeper of the program; nothing was.
        """
        self._aside = aside = _Aside(threading.get_ident())
        try:
            yield
        finally:
            self._aside = None
            if aside.refused:  # also where the program has caught it
                raise aside.refused[0]

    def _keep_apart(self, keeper: Any, frame: FrameType, is_making: bool) -> None:
        aside = self._aside
        if aside is None or aside.thread != threading.get_ident() or id(keeper) in aside.made:
            return
        if is_making:
            aside.made[id(keeper)] = keeper
            return
        place = frame
        while place.f_code.co_name != "<module>" and place.f_back is not None:
            place = place.f_back
        aside.refused.append(Refusal(Finding(
            code="HS206", severity=Severity.HELD, file=place.f_code.co_filename, line=place.f_lineno, next_step="restart",
            message=f"this statement fills the {type(keeper).__name__} of the program by a way that its text does not show",
        )))  # fmt: skip
        raise aside.refused[-1]

    def _note(self, keeper: Any, frame: FrameType) -> None:
        ref, codes = self._makers.get(id(keeper), (None, set()))
        if ref is None or ref() is not keeper:
            self._makers[id(keeper)] = (weakref.ref(keeper), codes := set())
        codes.update(_callers(frame))

    def _in_use(self, besides: set[int]) -> Iterator[CodeType]:
        for key, (ref, codes) in list(self._makers.items()):
            if ref() is None:
                del self._makers[key]
            elif key not in besides:
                yield from codes

    def judge(self, plan: Plan, engine: EngineView) -> Iterator[Finding]:
        """What a plan changes of functions that have made a keeper which it does not make anew."""
        files = {file for _, file in engine.status().modules}
        codes = {code for code in self._in_use(besides=_made_anew(plan)) if code.co_filename in files}
        names = {name for code in codes for name in code.co_names}
        for module in plan.modules if codes else ():
            for edit in module.edits:
                if (why := self._why(module, edit, codes, names)) is not None:
                    yield Finding(
                        code="HS213", severity=Severity.HELD, file=module.file, line=edit.line, next_step="restart",
                        message=f"{edit.name} {why}, which is not made anew",
                    )  # fmt: skip

    def _why(self, module: ModulePlan, edit: Edit, codes: set[CodeType], names: set[str]) -> str | None:
        if edit.kind is EditKind.LINES or (self.follows(edit) and "routes" not in names):  # which would have been copied
            return None
        own = [code for code in codes if code.co_filename == module.file and code.co_qualname == edit.qualname]
        if any(_outer(code) != _outer(_find(module.file, edit.qualname)) for code in own):
            return "has made an application, or put something into one"
        if own:
            return None  # another body of a function in it: that one is led on
        is_used = not names.isdisjoint(name.rpartition(".")[2] for name in edit.qualname.split(", "))
        if is_used and edit.kind is not EditKind.BODY:
            return "is used by a function that has made an application"
        return None


def find_going(plan: Plan, engine: EngineView, is_application: Callable[[object], bool]) -> Iterator[Finding]:
    """Applications to which no name of a module leads when a plan is live: a server may have been given one."""
    spaces = [(name, getattr(sys.modules.get(name), "__dict__", {})) for name, _ in engine.status().modules]
    going = {(edit.module, edit.qualname): edit for edit in plan.edits if edit.kind is EditKind.REMOVED}
    for (module, name), edit in going.items():
        value = getattr(sys.modules.get(module), "__dict__", {}).get(name)
        others = ((other, key) for other, space in spaces for key, each in list(space.items()) if each is value)
        if is_application(value) and all(place in going for place in others):
            message = f"{edit.name} goes, and a server may have been given it"
            yield Finding(code="HS213", severity=Severity.HELD, message=message, line=edit.line, next_step="restart")


def _callers(frame: FrameType | None) -> Iterator[CodeType]:
    """Up to the module whose statement it is: what a module does, plans follow."""
    while frame is not None and frame.f_code.co_name != "<module>":
        yield frame.f_code
        frame = frame.f_back


def _find(file: str, qualname: str) -> CodeType | None:
    """The code of a function in the new text; None where it has gone."""
    try:
        with open(file, "rb") as source:
            pending = [compile(source.read(), file, "exec", dont_inherit=True)]
    except (OSError, SyntaxError, ValueError):
        return None
    while pending:
        code = pending.pop()
        if code.co_qualname == qualname:
            return code
        pending += [const for const in code.co_consts if isinstance(const, CodeType)]
    return None


def _outer(code: CodeType | None) -> tuple[Any, ...] | None:
    """What a function does itself, without the functions that it defines."""
    if code is None:
        return None
    consts = tuple(f"<{c.co_qualname}>" if isinstance(c, CodeType) else (type(c).__name__, c) for c in code.co_consts)
    return code.co_code, consts, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars


def _made_anew(plan: Plan) -> set[int]:
    """The ids of all that names are bound to which a plan evaluates again, and of the routers of those."""
    found: set[int] = set()
    for edit in plan.edits:
        space = getattr(sys.modules.get(edit.module), "__dict__", {})
        for value in [space[name] for name in edit.qualname.split(", ") if name in space]:
            found |= {id(value), id(getattr(value, "__dict__", {}).get("router"))}
    return found
