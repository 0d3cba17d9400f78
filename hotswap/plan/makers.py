"""Classes that a library takes part in making: a metaclass, an ``__init_subclass__`` or a decorator that is not managed.

Their statements are not executed a second time, because that may register them twice.

    the class's own text changed         only its members: these are evaluated (HS206 for anything else)
    a member reads what changed          that member is evaluated
    something else in it does            kept and named (HS402)
    its base changed                     nothing: it inherits; kept and named where its maker may have copied from the base
    it is part of a registry's recipe    HS206: the registry cannot be made again without it

While statements are evaluated aside, such a class is still the live one, with its old members. So what reads a member
that changes is kept and named too, or refused (HS206) where its own text changed.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from hotswap.plan.bindings import dotted
from hotswap.plan.diff import UnitDiff
from hotswap.plan.graph import Graph, Symbol, is_abstract_registration
from hotswap.plan.members import MemberEdit, compare_members, take_members
from hotswap.plan.units import Unit, UnitKind
from hotswap.plan.uses import PURE_DECORATORS

if TYPE_CHECKING:
    from hotswap.plan.dirt import Dirt

#: What a metaclass runs where a class statement is executed.
_CLASS_MAKERS = ("__prepare__", "__new__", "__init__")
_PURE_MODULES = frozenset({"functools", "dataclasses", "enum", "typing", "typing_extensions", "attr", "attrs", "abc", "warnings"})


def maker_of(graph: Graph, module: str, unit: Unit) -> str:
    """The foreign code that runs when a class statement is executed, by name; empty for none."""
    if unit.kind is UnitKind.BLOCK:
        return _maker_in_block(graph, module, unit)
    if not isinstance(unit.node, ast.ClassDef):
        return ""
    live = graph.builder_of((module, unit.node.name))
    return live or _foreign_head(graph, module, unit.node) or _foreign_decorator(graph, module, unit)


def _maker_in_block(graph: Graph, module: str, unit: Unit) -> str:
    """For class statements under an ``if`` or in a ``try``; a block is executed as a whole."""
    names = {node.name for node in ast.walk(unit.node) if isinstance(node, ast.ClassDef)} & set(unit.names)
    return next((maker for name in sorted(names) if (maker := graph.builder_of((module, name)))), "")


def _foreign_head(graph: Graph, module: str, node: ast.ClassDef) -> str:
    """For a class that is to get a foreign base or metaclass and has none yet."""
    heads = [*node.bases, *(keyword.value for keyword in node.keywords if keyword.arg == "metaclass")]
    for chain in filter(None, map(dotted, heads)):
        symbol = graph.resolve(module, chain)
        owner, _, name = graph.foreign(module, chain).rpartition(".") if symbol is None else (symbol[0], "", symbol[1])
        if found := graph.builder_of_bases((owner, name)):
            return found
    return ""


def _foreign_decorator(graph: Graph, module: str, unit: Unit) -> str:
    assert isinstance(unit.node, ast.ClassDef)
    for decorator in unit.node.decorator_list:
        chain = dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if chain is None or graph.resolve(module, chain) is not None:
            continue
        name = graph.foreign(module, chain)
        harmless = name.partition(".")[0] in _PURE_MODULES and not name.endswith(".register")
        harmless = harmless or is_abstract_registration(name)  # done again for the same class it changes nothing
        if chain not in PURE_DECORATORS and name not in PURE_DECORATORS and not harmless:
            return f"@{name}"
    opaque = sorted(s for s in graph.mutated(module, unit) if graph.is_lasting(s))
    return f"{opaque[0][0]}.{opaque[0][1]}" if opaque else ""


def _registrations(graph: Graph, module: str, unit: Unit) -> set[str]:
    """The abstract classes of libraries with which a class is registered by its decorators."""
    if not isinstance(unit.node, ast.ClassDef):
        return set()
    names = {graph.foreign(module, chain) for chain in map(dotted, unit.node.decorator_list) if chain is not None}
    return set(filter(is_abstract_registration, names))


def reduce_changed(graph: Graph, before: Graph, dirt: Dirt, diff: UnitDiff) -> None:
    """Let changed classes with a foreign maker be evaluated by their members only, or refuse them."""
    for old, new in diff.changed:
        key = (diff.module, new.index)
        maker = maker_of(before, diff.module, old) or maker_of(graph, diff.module, new)
        if not maker and (others := _registrations(before, diff.module, old) ^ _registrations(graph, diff.module, new)):
            maker = f"@{min(others)}"  # the live class has to be registered, or to be taken away
        if not maker or not any(graph.kind_of((diff.module, name)) == "class" for name in old.names):
            continue
        edit: MemberEdit | str = f"its statement (line {new.line})"
        if isinstance(old.node, ast.ClassDef) and isinstance(new.node, ast.ClassDef):
            edit = compare_members(old.node, new.node)
        if isinstance(edit, MemberEdit):
            dirt.changed.add(key)
            dirt.reduced[key] = edit
        else:
            dirt.changed.discard(key)
            dirt.refused[key] = f"{maker} takes part in making {diff.module}.{new.label}, and this changed: {edit}"


def calls_own_maker(graph: Graph, dirt: Dirt, module: str, unit: Unit) -> Symbol | None:
    """The function of an enum that its class statement calls for each member, if it behaves differently."""
    if not isinstance(unit.node, ast.ClassDef):
        return None
    for name in ("__init__", "__new__", "_generate_next_value_"):
        symbol = (module, f"{unit.node.name}.{name}")
        if symbol in dirt.affected and _is_enum(graph, (module, unit.node.name)):
            return symbol
    return None


def _is_enum(graph: Graph, symbol: Symbol) -> bool:
    for owner, name in graph.ancestors(symbol):
        for binder in graph.binders(owner).get(name, ()):
            bases = map(dotted, binder.node.bases) if isinstance(binder.node, ast.ClassDef) else ()
            if any(graph.foreign(owner, chain).startswith("enum.") for chain in bases if chain):
                return True
    return False


def follow_into_class(graph: Graph, dirt: Dirt, module: str, unit: Unit, cause: Symbol) -> bool:
    """Decide about an unchanged class that reads something that changed; False where no foreign code makes it."""
    if unit.kind not in (UnitKind.CLASS, UnitKind.BLOCK) or not maker_of(graph, module, unit):
        return False
    if not _makes_otherwise(dirt, cause):
        return True
    key = (module, unit.index)
    edit = _members_concerned(graph, dirt, module, unit, cause) if unit.kind is UnitKind.CLASS else None
    if edit is None or cause[1].rpartition(".")[2] in _CLASS_MAKERS:
        dirt.kept[key] = cause
    elif edit.names:
        dirt.derived[key] = cause
        dirt.reduced[key] = edit
    elif cause in _bases(graph, module, unit) and graph.copies_bases((module, unit.names[0])):
        dirt.kept[key] = cause
    return True


def _bases(graph: Graph, module: str, unit: Unit) -> set[Symbol | None]:
    assert isinstance(unit.node, ast.ClassDef)
    return {graph.resolve(module, chain) for chain in filter(None, map(dotted, unit.node.bases))}


def _makes_otherwise(dirt: Dirt, cause: Symbol) -> bool:
    """False for a class of which only methods changed that its objects run later: ``name = CharField()`` keeps its object."""
    dirty = dirt.values | dirt.classes | dirt.affected | dirt.shallow | dirt.rebound
    makers = ("__init__", "__new__", "__post_init__", "__set_name__")
    own = any((cause[0], f"{cause[1]}.{name}") in dirt.affected for name in makers)
    return own or cause in dirty or (cause[0], cause[1].partition(".")[0]) in dirty or not _has_methods(dirt, cause)


def _has_methods(dirt: Dirt, symbol: Symbol) -> bool:
    return any(module == symbol[0] and name.startswith(f"{symbol[1]}.") for module, name in dirt.affected)


def _members_concerned(graph: Graph, dirt: Dirt, module: str, unit: Unit, *causes: Symbol) -> MemberEdit | None:
    """The members that read what changed; None where more than members does."""
    assert isinstance(unit.node, ast.ClassDef)
    dirty = dirt.values | dirt.classes | dirt.shallow | set(causes)
    now = unit.analysis.now
    reading = {
        chain.partition(".")[0]
        for chain in now.reads | now.calls
        if not chain.endswith(".__init_subclass__")
        and (symbol := graph.resolve(module, chain)) is not None
        and (symbol in dirty or (symbol[0], symbol[1].partition(".")[0]) in dirty)
    }
    bases = {(dotted(base) or "").partition(".")[0] for base in unit.node.bases}
    edit = take_members(unit.node, reading - bases)
    return edit if isinstance(edit, MemberEdit) else None


def spread_members(graph: Graph, dirt: Dirt, module: str, unit: Unit, edit: MemberEdit) -> None:
    """Members that change, of the class and of those that inherit from it, are all that changes of the class."""
    symbol = (module, unit.names[0])
    names = edit.names | edit.removed
    dirt.affected |= {(module, q) for q in unit.analysis.functions if q.split(".")[1:2] and q.split(".")[1] in names}
    for owner, summary in graph.summaries.items():
        for each in summary.units:
            if each.kind is UnitKind.CLASS and symbol in graph.ancestors((owner, each.names[0])):
                dirt.values |= {(owner, f"{each.names[0]}.{name}") for name in names}


def shield(graph: Graph, dirt: Dirt) -> None:
    """Take classes with a foreign maker out of what is to be executed as a whole, once all is known."""
    for module, index in sorted(dirt.evaluated() - dirt.reduced.keys()):
        key, unit = (module, index), graph.summaries[module].units[index]
        if key in dirt.changed or not any(graph.kind_of((module, name)) == "class" for name in unit.names):
            continue
        if maker := maker_of(graph, module, unit):
            _shield_class(graph, dirt, module, unit, maker)
    for key in [key for key in dirt.reduced if key in dirt.derived]:
        edit = _members_concerned(graph, dirt, key[0], graph.summaries[key[0]].units[key[1]], dirt.derived[key])
        if edit is None:
            dirt.kept[key] = dirt.derived.pop(key)
            del dirt.reduced[key]
        else:
            dirt.reduced[key] = edit
    _shield_readers(graph, dirt)


def _shield_class(graph: Graph, dirt: Dirt, module: str, unit: Unit, maker: str) -> None:
    key = (module, unit.index)
    dirt.support.discard(key)
    cause = dirt.derived.pop(key, None)
    registries = [s for s in graph.mutated(module, unit) if graph.kind_of(s) in ("data", "instance") and s in dirt.values]
    if registries := [*registries, *_made_anew(graph, dirt, module, unit)]:
        dirt.refused[key] = f"{maker} takes part in making {module}.{unit.label}, which is in {registries[0][1]}"
    elif cause is not None:
        follow_into_class(graph, dirt, module, unit, cause)


def _made_anew(graph: Graph, dirt: Dirt, module: str, unit: Unit) -> list[Symbol]:
    """The classes and functions to which a statement contributes, and that are made anew as a whole."""
    # Whether a class is noted by its bases cannot be told for sure.
    bases = graph.ancestors((module, unit.names[0])) if unit.kind is UnitKind.CLASS else ()
    found = sorted(s for s in graph.mutated(module, unit) if graph.kind_of(s) in ("class", "function") and s not in bases)
    evaluated = dirt.evaluated() - dirt.reduced.keys() - dirt.support if found else set()
    made = {(owner, name) for owner, index in evaluated for name in graph.summaries[owner].units[index].names}
    return [symbol for symbol in found if symbol in made]


def _shield_readers(graph: Graph, dirt: Dirt) -> None:
    """Statements that would read, aside, a member that changes of a class that is still the old one."""
    heads = {(module, graph.summaries[module].units[index].names[0]) for module, index in dirt.reduced}
    for key in sorted(dirt.evaluated() - dirt.reduced.keys()) if heads else ():
        unit = graph.summaries[key[0]].units[key[1]]
        now = unit.analysis.now
        runs_nothing = not (now.calls or now.calls_unknown or now.operates)
        used = graph.uses_symbols(key[0], now) - (heads if runs_nothing else set())  # ``Env.kind = Template``
        stale = next((s for s in sorted(used) if _is_stale_member(dirt, heads, s)), None)
        if stale is None:
            continue
        dirt.support.discard(key)
        if key in dirt.changed:
            dirt.refused[key] = f"{key[0]}.{unit.label} uses {stale[1]}, which changes with it; save one after the other"
        elif key in dirt.derived and (made := _made_anew(graph, dirt, key[0], unit)):
            what = f"{made[0][1]}, which is made anew, and uses {stale[1]}, which changes with it"
            dirt.refused[key] = f"{key[0]}.{unit.label} adds to {what}; save one after the other"
            del dirt.derived[key]
        elif key in dirt.derived:
            del dirt.derived[key]
            dirt.kept[key] = stale


def _is_stale_member(dirt: Dirt, heads: set[Symbol], symbol: Symbol) -> bool:
    module, name = symbol
    if symbol in heads:  # it may be called
        return any((module, f"{name}.{maker}") in dirt.affected for maker in ("__init__", "__new__"))
    return (module, name.partition(".")[0]) in heads and (symbol in dirt.values or symbol in dirt.affected)
