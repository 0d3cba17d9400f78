"""What the new text has no more: names, functions that held references still call, modules; and modules that are new."""

from __future__ import annotations

import sys
from types import CodeType, FunctionType
from typing import Any

from hotswap.commit import Write, del_item, set_class
from hotswap.kinds import is_a
from hotswap.link.handles import is_handle, set_wrapped
from hotswap.link.linking import Linking
from hotswap.link.redirect import jump_code, lead
from hotswap.link.trampoline import removed_stub
from hotswap.peek import class_value
from hotswap.plan.pairing import walk
from hotswap.world import ModuleRecord


def remove_names(linking: Linking) -> None:
    for plan in linking.draft.plan.modules:
        record = linking.world.records[plan.module]
        diff = linking.draft.diffs.get(plan.module)
        for name in plan.removed:
            if (plan.module, name) in linking.starred:
                continue
            renamed = (diff is not None and name in diff.renamed) or (plan.module, name) in linking.draft.renames
            drop_name(linking, record, name, 0, renamed=renamed)
    _lead_removed(linking)


def drop_name(linking: Linking, record: ModuleRecord, name: str, line: int, renamed: bool = False) -> None:
    live = record.module.__dict__
    base, where = linking.base(record.name).get(name), (record.file, line)
    if name in live and (renamed or not linking.merger.stays(f"{record.name}.{name}", live[name], base, where)):
        linking.swap.add(del_item(live, name, f"{record.name}.{name} removed"))
        if is_handle(live[name]) and live[name]._self_owner == (record.name, name):
            linking.swap.add(set_wrapped(live[name], removed_stub(record.name, name)))
        if not renamed and id(live[name]) not in linking.twins.places and is_a(live[name], (FunctionType, type)):
            linking.note("HS410", f"{record.name}.{name} was removed", record.file, line)
            _end_class(linking, record, name, live[name])


def _end_class(linking: Linking, record: ModuleRecord, name: str, live: Any) -> None:
    """A class without a successor says so when a held reference is called, as its methods do when they are.

    By ``__init__``: ``copy`` and ``pickle``, which use ``__new__``, go on with the objects that there are.
    """
    plain = is_a(live, type) and type(live).__call__ is type.__call__
    if not plain or (live.__module__, live.__qualname__) != (record.module.__name__, name):
        return  # another name of a class that lives on
    raise_removed = removed_stub(record.name, live.__qualname__)
    begin = class_value(live, "__init__")

    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:
        if type(self) is live:
            raise_removed()
        begin.__get__(self, type(self))(*args, **kwargs)

    linking.swap.add(set_class(live, "__init__", __init__))


def _lead_removed(linking: Linking) -> None:
    """Functions without a successor say so when a held reference is called."""
    for name, pairing in linking.draft.pairings.items():
        record = linking.world.records[name]
        for code in pairing.removed:
            if "<locals>" in code.co_qualname:
                _lead_moved_closures(linking, name, code)
                continue
            for function in linking.heap.of(code):
                if function.__globals__ is record.module.__dict__ and id(function) not in linking.swap.led:
                    linking.swap.removed.append((name, function))
                    lead(linking.swap, function, removed_stub(name, code.co_qualname), name, code.co_qualname)


def _lead_moved_closures(linking: Linking, module: str, code: CodeType) -> None:
    """Live closures go on in the module to which the function that made them has moved."""
    functions = linking.heap.of(code)
    home = _new_home(linking, module, code.co_qualname.partition(".<locals>")[0]) if functions else None
    new = [c for c in walk(linking.draft.edited[home].new.code) if c.co_qualname == code.co_qualname] if home else []
    if home is None or len(new) != 1 or new[0] in linking.draft.pairings[home].old_of:
        return
    for function in functions:
        if function.__globals__ is linking.world.records[module].module.__dict__ and id(function) not in linking.swap.led:
            jump_code(linking.swap, function, new[0], {}, module, linking.world.records[home].module.__dict__)


def _new_home(linking: Linking, module: str, name: str) -> str | None:
    """The module to which a definition has moved: the old one imports it from there now, or was imported from."""
    for other, edited in linking.draft.edited.items():
        ways = ((other, linking.draft.summaries[module]), (module, edited.old_summary))
        for source, summary in ways if other != module else ():
            bindings = [binding for unit in summary.units if name in unit.names for binding in unit.imports]
            if any(binding.local == name == binding.attr and binding.module == source for binding in bindings):
                return other
    return None


def remove_modules(linking: Linking) -> None:
    """A module whose file is gone leaves ``sys.modules`` and its package."""
    for name in linking.draft.gone:
        module = linking.world.records[name].module
        if sys.modules.get(name) is module:
            linking.swap.add(del_item(sys.modules, name, f"module {name}"))
        parent, _, child = name.rpartition(".")
        package = sys.modules.get(parent) if parent else None
        is_other = (parent, child) in linking.rebound  # what the package does without it
        if package is not None and package.__dict__.get(child) is module and not is_other:
            linking.swap.add(del_item(package.__dict__, child))


def note_imported(linking: Linking) -> None:
    """Modules that evaluated imports have loaded: they are there already, and leave again with a rollback."""
    for name in linking.swap.imported:
        module = sys.modules.get(name)
        parent, _, child = name.rpartition(".")
        package = sys.modules.get(parent) if parent else None
        if module is None or name not in linking.world.records:
            continue
        record = linking.world.records[name]
        record.base = None  # that of when its text had executed is of objects made aside
        linking.world.snapshot(record)
        linking.swap.add(
            Write((dict.__setitem__, sys.modules, name, module), (dict.pop, sys.modules, name, None), f"module {name}")
        )
        if package is not None and package.__dict__.get(child) is module:
            linking.swap.add(
                Write((dict.__setitem__, package.__dict__, child, module), (dict.pop, package.__dict__, child, None))
            )
