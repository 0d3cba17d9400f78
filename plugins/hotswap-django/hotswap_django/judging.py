"""What a change would leave behind in Django without a word, told from the plan and the new texts, before anything is executed.

    a model that is new                        restart: Django registers it when its statement is executed
    something that a model is computed from    restart: fields and managers were made by it
    a converter and addresses, in one save     restart: addresses are evaluated before the converter is registered
    the outer part of a middleware function    live: it is called again, what its inner function has kept is lost, and said so
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from hotswap.model import Edit, EditKind, Finding, ModulePlan, Plan, Severity

_EVALUATED = frozenset({EditKind.DATA, EditKind.DERIVED, EditKind.ADDED})


def judge(plan: Plan) -> Iterator[Finding]:
    """All of these; the texts are read from the files of the plan."""
    yield from _check_models(plan)
    yield from _check_converters(plan)
    for path in middleware_to_call(plan):
        module, _, name = path.rpartition(".")
        edit = next(edit for edit in plan.edits if edit.module == module and edit.qualname == name)
        yield _finding(plan, edit, "HS407", Severity.NOTE, f"{path} is called again; what its inner function has kept is lost")


# ---- models ----


def _check_models(plan: Plan) -> Iterator[Finding]:
    base: type | None = getattr(sys.modules.get("django.db.models.base"), "ModelBase", None)
    if base is None:
        return
    for module in plan.modules:
        tree = _parse(module.file)
        for edit in module.edits:
            if edit.kind is EditKind.ADDED and _is_model(edit.qualname, tree, module.module, base):
                message = f"{edit.name} is a new model: Django registers models, their relations and tables at the start"
                yield _finding(plan, edit, "HS213", Severity.HELD, message, "restart")
    for found in plan.findings:
        module_name = next((module.module for module in plan.modules if module.file == found.file), "")
        name = found.message.partition(" was made from ")[0].removeprefix(f"{module_name}.")
        value = getattr(sys.modules.get(module_name), "__dict__", {}).get(name)
        if found.code == "HS402" and isinstance(value, base):
            yield Finding(
                code="HS206", severity=Severity.HELD, file=found.file, line=found.line, next_step="restart",
                message=f"{found.message.partition(';')[0]}; Django has made fields, managers and relations by it",
            )  # fmt: skip


def _is_model(name: str, tree: ast.Module, module: str, base: type, seen: frozenset[str] = frozenset()) -> bool:
    """True where the text has a class of this name with a model among its bases, by what the names mean in the module now."""
    space = getattr(sys.modules.get(module), "__dict__", {})
    if name in seen:
        return False
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return any(
                isinstance(_look_up(ast.unparse(parent), space, tree), base)
                or _is_model(ast.unparse(parent), tree, module, base, seen | {name})
                for parent in node.bases
            )
    return False


def _look_up(chain: str, space: dict[str, Any], tree: ast.Module) -> Any:
    """What a dotted name means; an import of the new text that the module has not executed yet counts where it is loaded."""
    head, *rest = chain.split(".")
    value = space.get(head)
    for node in (node for node in tree.body if isinstance(node, ast.ImportFrom)) if value is None else ():
        for alias in node.names:
            if (alias.asname or alias.name) == head:
                owner = sys.modules.get(node.module or "")
                value = getattr(owner, alias.name, None) or sys.modules.get(f"{node.module}.{alias.name}")
    for name in rest:
        value = getattr(value, name, None)
    return value


# ---- addresses ----


def _check_converters(plan: Plan) -> Iterator[Finding]:
    """A new statement that reaches outside runs after the commit; a list of addresses is evaluated before it.

    So an address with a converter that is registered by the same save would fail, for no fault of its own.
    """
    texts = {module.module: _read(module.file) for module in plan.modules}
    if not any(e.kind in _EVALUATED and e.qualname[:1] != "<" and "path(" in texts[e.module] for e in plan.edits):
        return
    for edit in plan.edits:
        line = "".join(texts[edit.module].splitlines()[edit.line - 1 : edit.line])
        if edit.kind is EditKind.ADDED and edit.qualname.startswith("<line") and "register_converter" in line:
            message = "a converter is registered together with a change of addresses, which are evaluated first"
            yield _finding(plan, edit, "HS213", Severity.HELD, message, "restart")


# ---- middleware ----


def middleware_to_call(plan: Plan) -> list[str]:
    """The functions in ``MIDDLEWARE`` whose outer part has another code in the new text: Django has to call them again."""
    found = []
    for module in plan.modules:
        names = [edit.qualname for edit in module.edits if f"{module.module}.{edit.qualname}" in _middleware()]
        codes = _compile(module) if names else {}
        for name in names:
            live = getattr(sys.modules.get(module.module), "__dict__", {}).get(name)
            new = codes.get(name)
            if isinstance(live, FunctionType) and new is not None and _outer(live.__code__) != _outer(new):
                found.append(f"{module.module}.{name}")
    return found


def _middleware() -> frozenset[str]:
    conf = sys.modules.get("django.conf")
    if conf is None or not conf.settings.configured:
        return frozenset()
    return frozenset(conf.settings.MIDDLEWARE)


def _compile(module: ModulePlan) -> dict[str, CodeType]:
    try:
        code = compile(_read(module.file), module.file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return {}  # the plan says so
    return {const.co_name: const for const in code.co_consts if isinstance(const, CodeType)}


def _outer(code: CodeType) -> tuple[Any, ...]:
    """What a function does itself, without the functions that it defines."""
    consts = tuple(f"<{c.co_name}>" if isinstance(c, CodeType) else (type(c).__name__, c) for c in code.co_consts)
    return code.co_code, consts, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars


# ---- what all need ----


def _finding(plan: Plan, edit: Edit, code: str, severity: Severity, message: str, step: str = "") -> Finding:
    file = next((module.file for module in plan.modules if module.module == edit.module), "")
    return Finding(code=code, severity=severity, message=message, file=file, line=edit.line, next_step=step)


def _read(file: str) -> str:
    try:
        with open(file, encoding="utf-8", errors="replace") as source:
            return source.read()
    except OSError:
        return ""  # gone since it was read: its next event tells of that


def _parse(file: str) -> ast.Module:
    try:
        return ast.parse(_read(file))
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])  # the plan says so
