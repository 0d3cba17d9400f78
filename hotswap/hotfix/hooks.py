"""The hooks of a patch: asked in each process before and after it is put on and taken off, with the right to say no.

    before_apply()       nothing was done yet; a reason that is returned, or an exception, keeps the patch from being applied
    after_apply()        it is live; a reason or an exception takes it back
    before_rollback()    a reason or an exception keeps it live
    after_rollback()     it is not live any more; an exception is told

They are for what no swap does: to look whether a queue is empty, to warm a cache. They run in the agent's thread while the
program goes on, once each for a patch in a process, and not at all where what is deployed has the patch. A check runs none.
"""

from __future__ import annotations

import ast
import linecache
from types import ModuleType

import attrs

from hotswap.errors import PatchError
from hotswap.hotfix.patch import Patch

__all__ = ["Hooks", "check_hooks", "load_hooks"]

NAMES = ("before_apply", "after_apply", "before_rollback", "after_rollback")


@attrs.frozen
class Hooks:
    """The module of a patch with its hooks.

    Attributes:
        module: None where there is none.
    """

    module: ModuleType | None = None

    def ask(self, name: str) -> str:
        """Call a hook where there is one; gives why it says no, empty where it does not.

        Called with ``Agent.lock`` held: a hook that forks has a child without it, and none may wait for the agent.
        """
        hook = getattr(self.module, name, None)
        if hook is None:
            return ""
        try:
            said = hook()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - border: the user's hook
            return f"its hook {name} raised {type(error).__name__}: {error}"
        return "" if said is None or said is True else f"its hook {name} says: {said}"


def load_hooks(patch: Patch) -> Hooks:
    """Execute the module with the hooks of a patch that was verified.

    Raises:
        PatchError: HS618, it cannot be executed.
    """
    if not patch.hooks:
        return Hooks()
    file = f"<hooks of {patch.manifest.id}>"
    text = patch.hooks.decode("utf-8")
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    module = ModuleType(f"hotswap_hooks_{patch.digest[:12]}")
    try:
        exec(compile(text, file, "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as error:  # border: the user's module, raised again as a refusal
        raise PatchError("HS618", f"its hooks cannot be executed: {type(error).__name__}: {error}", "mend them") from error
    return Hooks(module)


def check_hooks(text: bytes) -> None:
    """Make sure that some text can be a module with hooks; it is not executed.

    Raises:
        PatchError: HS613, it cannot.
    """
    if not text:
        return
    try:
        tree = ast.parse(text.decode("utf-8"))
    except (SyntaxError, ValueError) as error:
        raise PatchError("HS613", f"the hooks cannot be read: {error}", "mend them") from error
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    if not names & set(NAMES):
        step = "mend the name"
        raise PatchError("HS613", f"the hooks have no function of the names {', '.join(NAMES)}", step)
