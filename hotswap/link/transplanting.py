"""Pairs of a live class and the one made aside, with what their texts bind, handed to the exchange of contents."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping

from hotswap.kinds import is_a, vars_of
from hotswap.link.classes import move_members, transplant
from hotswap.link.linking import Linking, head_of
from hotswap.link.order import follow_text
from hotswap.link.registrations import move_registrations
from hotswap.plan.bindings import bound_names
from hotswap.plan.trees import dump
from hotswap.plan.units import Summary
from hotswap.plugin.values import ClassPair

_NO_SUMMARY = Summary("", [], 0)


def transplant_moved(linking: Linking) -> None:
    """Classes that have another name or module now, so that no name leads from the one to the other."""
    for staged, live in linking.twins.classes:
        moved = (staged.__module__, staged.__qualname__) != (live.__module__, live.__qualname__)
        if moved and id(live) not in linking.transplanted and "." not in live.__qualname__:
            exchange_class(linking, live, staged, (linking.world.file_of(staged.__module__), 0), "", "")


def exchange_class(linking: Linking, live: type, staged: type, where: tuple[str, int], module: str, name: str) -> None:
    """Move the contents of a class and of the classes nested in it, from the module where it is now.

    Args:
        module, name: where a module has it under which name; empty where that is not known.
    """
    if id(live) in linking.transplanted:
        return  # importers bind the same class: its contents move once
    linking.transplanted.add(id(live))
    old_body = _body_names(linking, live.__module__, live.__qualname__, old=True)
    new_body = _body_names(linking, staged.__module__, staged.__qualname__, old=False)
    # A class that a call has made is known by the name that a module has for it.
    is_made_by_call = bool(name) and linking.world.look_up((live.__module__, live.__qualname__)) is not live
    root = name if is_made_by_call else live.__qualname__
    nested = list(_nested_classes(live, root, linking.twins.inner))
    paths = {id(cls): path for cls, path in nested}
    heads = dict.fromkeys(head_of(cls) for cls, _ in nested)
    for mine, theirs in [pair for head in heads for pair in linking.pairs_by_head.get(head, ())]:
        if id(theirs) in paths:
            pair = ClassPair(
                module=module if is_made_by_call else staged.__module__,
                path=paths[id(theirs)],
                file=where[0],
                line=where[1],
                live=theirs,
                staged=mine,
                old_body=frozenset(old_body.get(theirs.__qualname__, ())),
                new_body=frozenset(new_body.get(mine.__qualname__, ())),
                same_text=_same_text(linking, old_body.get(theirs.__qualname__, {}), new_body.get(mine.__qualname__, {})),
                base=linking.base(module if is_made_by_call else live.__module__),
                members=linking.twins.members.get(id(theirs), ()),
            )
            transplant(linking.swap, pair, linking.twins, linking.merger, linking.plugins.rebuild_class)
            is_unset = (live.__module__, head_of(live)[1]) in linking.draft.dirt.unset
            may_go = linking.world.is_managed if is_unset else lambda cls: False
            move_registrations(linking.swap, theirs, mine, linking.twins.resolve, may_go)


def move_reduced(linking: Linking) -> None:
    """Members of classes that a library takes part in making."""
    for staged, live, edit in linking.staging.reduced:
        module = staged.__module__
        old = _body_names(linking, module, live.__qualname__, old=True).get(live.__qualname__, {})
        new = _body_names(linking, module, live.__qualname__, old=False).get(live.__qualname__, {})
        unit = linking.draft.summaries[module].binders()[live.__qualname__][0]
        pair = ClassPair(
            module=module,
            path=live.__qualname__,
            file=linking.world.file_of(module),
            line=unit.line,
            live=live,
            staged=staged,
            old_body=frozenset(old),
            new_body=frozenset(new),
            base=linking.base(module),
        )
        start = len(linking.swap.writes)
        move_members(linking.swap, pair, linking.twins, linking.merger, edit)
        follow_text(linking.swap, live, list(old), list(new), start)


def _body_names(linking: Linking, module: str, name: str, *, old: bool) -> dict[str, dict[str, str]]:
    """Names that class statements bind in their bodies, with what assigns them, by qualified name of the class."""
    edited = linking.draft.edited.get(module)
    summary = edited.old_summary if old and edited else linking.draft.summaries.get(module, _NO_SUMMARY)
    found: dict[str, dict[str, str]] = {}
    for unit in summary.binders().get(name, ()):
        _note_body_names(ast.Module([unit.node], []), "", found)
    return found


def _same_text(linking: Linking, old: Mapping[str, str], new: Mapping[str, str]) -> frozenset[str]:
    """Names that are assigned as before, from nothing that changed."""
    same = {name for name, text in new.items() if text and old.get(name) == text}
    dirt = linking.draft.dirt
    marks = dirt.values | dirt.affected | dirt.classes | dirt.rebound
    changed = {part for _, dotted in marks for part in dotted.split(".")} if same else set()
    return frozenset(name for name in same if changed.isdisjoint(re.findall(r"\w+", new[name])))


def _note_body_names(node: ast.AST, path: str, found: dict[str, dict[str, str]]) -> None:
    """Note what class statements below a node bind, with the dumped assignments."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            own = f"{path}{child.name}"
            found[own] = dict.fromkeys(bound_names(child.body), "")
            for statement in child.body:
                if isinstance(statement, (ast.Assign, ast.AnnAssign)):
                    text = dump(statement)
                    found[own] |= {bound: found[own][bound] + text for bound in bound_names([statement])}
            _note_body_names(child, f"{own}.", found)
        elif not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            _note_body_names(child, path, found)


def _nested_classes(cls: type, path: str, inner: Collection[int]) -> Iterator[tuple[type, str]]:
    """A class and those that are nested in it, with the dotted name of each.

    Args:
        inner: ids of classes that nothing but the class around them leads to.
    """
    yield cls, path
    for name, value in list(vars_of(cls).items()):
        if is_a(value, type) and (id(value) in inner or _is_nested(cls, value)):
            yield from _nested_classes(value, f"{path}.{name}", inner)


def _is_nested(cls: type, value: type) -> bool:
    return value.__module__ == cls.__module__ and value.__qualname__.startswith(f"{cls.__qualname__}.")
