"""What a change would leave behind in Django without a word, told from the plan and the new texts, before anything is executed.

    nobody imports a module with models now    restart: they are registered
    a converter and addresses, in one save     restart: addresses are evaluated before the converter is registered
    the app_name of an included module         restart: include() has read it
    a method of managers or query sets         live; queries that it made while modules were loaded are named
    the outer part of a middleware function    live: it is called again, what its inner function has kept is lost, and said so
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from hotswap.collector import list_objects
from hotswap.model import Edit, EditKind, Finding, ModulePlan, Plan, Severity
from hotswap_django.reads import find_early_calls, find_imported

_IN_PLACE = frozenset({EditKind.LINES, EditKind.BODY, EditKind.SIGNATURE})
_CODE = frozenset({EditKind.BODY, EditKind.SIGNATURE})
_GONE = frozenset({EditKind.REMOVED, EditKind.RENAMED, EditKind.MOVED})
_EVALUATED = frozenset({EditKind.DATA, EditKind.DERIVED, EditKind.ADDED})


def judge(plan: Plan, files: Iterable[str]) -> Iterator[Finding]:
    """All of these; the texts are read from the files of the plan.

    Args:
        files: the source files of the program, in which calls of methods of query sets are looked for.
    """
    yield from _check_imports(plan, files)
    yield from _check_converters(plan)
    yield from _check_names(plan)
    yield from _name_queries(plan, files)
    for path in middleware_to_call(plan):
        module, _, name = path.rpartition(".")
        edit = next(edit for edit in plan.edits if edit.module == module and edit.qualname == name)
        yield _finding(plan, edit, "HS407", Severity.NOTE, f"{path} is called again; what its inner function has kept is lost")


# ---- models ----


def find_models(plan: Plan) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """The live models that a plan evaluates anew, and those whose statement has gone, as registries name them."""
    base: type | None = getattr(sys.modules.get("django.db.models.base"), "ModelBase", None)
    hidden: set[tuple[str, str]] = set()
    gone: set[tuple[str, str]] = set()
    if base is None:
        return hidden, gone
    for edit in plan.edits:
        space = getattr(sys.modules.get(edit.module), "__dict__", {})
        for name in edit.qualname.split(", "):
            model = space.get(name)
            if isinstance(model, base) and model.__module__ == edit.module and edit.kind not in _IN_PLACE:
                meta = vars(model).get("_meta")
                if meta is not None and not meta.abstract:
                    found = gone if edit.kind in _GONE else hidden
                    found.add((meta.app_label, meta.model_name))
    return hidden, gone


def _check_imports(plan: Plan, files: Iterable[str]) -> Iterator[Finding]:
    """Modules of models that nobody imports any more: a start would not register them. Django imports those of applications."""
    registered = {model.__module__ for model in _list_models()} - _imported_by_django()
    gone = {edit.module: edit for edit in plan.edits if edit.kind in _GONE}
    for edit in gone.values():
        space = getattr(sys.modules.get(edit.module), "__dict__", {})
        values = [space[name] for name in edit.qualname.split(", ") if name in space]
        left = {value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None) for value in values}
        for name in sorted(registered & (left - {edit.module})):
            if not any(name in find_imported(file) for file in files):
                message = f"{name} is imported by nobody any more, and its models are registered"
                yield _finding(plan, edit, "HS213", Severity.HELD, message, "restart")


def _list_models() -> list[Any]:
    apps = sys.modules.get("django.apps")
    ready = apps is not None and apps.apps.ready
    return [model for models in apps.apps.all_models.values() for model in models.values()] if apps is not None and ready else []


def _imported_by_django() -> set[str]:
    modules = [config.models_module for config in sys.modules["django.apps"].apps.get_app_configs()] if _list_models() else []
    return {module.__name__ for module in modules if module is not None}


def _name_queries(plan: Plan, files: Iterable[str]) -> Iterator[Finding]:
    """``queryset = Book.objects.cheap()`` has called the method when its module was loaded, by functions that Django makes."""
    edits: dict[str, list[str]] = {}  # full names by the last part, which is all that a call says
    for edit in plan.edits:
        if edit.kind in _CODE and _is_of_queries(edit):
            edits.setdefault(edit.qualname.rpartition(".")[2], []).append(f"{edit.module}.{edit.qualname}")
    for file, line, name in find_early_calls(edits, files):
        yield Finding(
            code="HS402", severity=Severity.KEPT, file=file, line=line, next_step="make it again in the program, or restart",
            message=f"a query may have been made here by {' or '.join(edits[name])}, which changed; what was kept of it stays",
        )  # fmt: skip


def _is_of_queries(edit: Edit) -> bool:
    """True for a method of a manager or a query set."""
    models = sys.modules.get("django.db.models")
    owner = getattr(sys.modules.get(edit.module), edit.qualname.partition(".")[0], None)
    return models is not None and isinstance(owner, type) and issubclass(owner, (models.QuerySet, models.manager.BaseManager))


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


def _check_names(plan: Plan) -> Iterator[Finding]:
    """``include("shop.urls")`` takes the name for the namespace too, unless that is given, which cannot be told afterwards."""
    edits = [edit for edit in plan.edits if "app_name" in edit.qualname.split(", ") and edit.kind not in _IN_PLACE]
    kind = getattr(sys.modules.get("django.urls.resolvers"), "URLResolver", None)
    found = list_objects(kind)[0] if edits and kind is not None else []
    for edit in edits:
        module = sys.modules.get(edit.module)
        if any(resolver.urlconf_name is module for resolver in found):
            message = f"{edit.module}.app_name was read by include() when addresses were made"
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
