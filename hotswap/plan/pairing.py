"""Which new code object takes the place of which old one.

    same name, one on each side        pair (a lambda only in the same role)
    same name, several                 pair equal content first, then equal roles, then in order if the counts agree
    same name and role, counts differ  ambiguous
    one code for several lambdas       (CPython 3.12 makes one of equal ones in a line) pair where both texts have one for the
                                       same lambdas, else ambiguous
    only in the old text               removed, unless an added one has equal content: renamed
    only in the new text               added

The role of a definition is what it is written for: its decorators (``@total.setter``, ``@show.register(int)``), and
for a lambda the name, key or keyword that it is given to. Of equal lambdas in one role those
in the same place are a pair. Pairs are found from the outside in, so a nested function is only paired within its paired
parent.
"""

from __future__ import annotations

import ast
import hashlib
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from inspect import CO_GENERATOR, CO_ITERABLE_COROUTINE
from types import CodeType, MappingProxyType
from typing import TypeVar

import attrs

from hotswap.plan.trees import dump, dump_shape


@attrs.frozen(kw_only=True, eq=False)
class Pairing:
    """Old code objects and what becomes of them.

    Attributes:
        new_of: old code -> new code; of generator functions also what ``types.coroutine`` has made of it.
        old_of: the inverse.
        removed: old code objects of functions without a successor.
        renamed: pairs whose names differ.
        ambiguous: old code objects that cannot be paired for sure.
    """

    new_of: dict[CodeType, CodeType]
    old_of: dict[CodeType, CodeType]
    removed: tuple[CodeType, ...]
    renamed: tuple[tuple[CodeType, CodeType], ...]
    ambiguous: tuple[CodeType, ...]


_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

#: In front of the place of a lambda among others in one expression; a dumped tree never has it. Places only tell equal ones
#: from each other: what is put in front of a lambda moves it.
_PLACE = "\0"
_WITH_PLACE = re.compile(f"{_PLACE}\\d+")
#: Between the roles of lambdas that share a code object.
_SHARED = "\1"
#: Roles by name and first line, in the order of the text.
Roles = Mapping[tuple[str, int], list[str]]


def pair_codes(
    old: CodeType, new: CodeType, old_roles: Roles = MappingProxyType({}), new_roles: Roles = MappingProxyType({}),
    renames: Mapping[str, str] = MappingProxyType({}),
) -> Pairing:  # fmt: skip
    """Pair the code objects nested in two module code objects.

    Args:
        renames: old name -> new name of classes that are said to be the same.
    """
    role_of = _Lazy(lambda: {**_assign_roles(old, old_roles), **_assign_roles(new, new_roles)})
    new_of: dict[CodeType, CodeType] = {}
    removed: list[CodeType] = []
    renamed: list[tuple[CodeType, CodeType]] = []
    ambiguous: list[CodeType] = []
    pending = [(old, new)]
    while pending:
        left, right = pending.pop()
        pairs, lost, unsure = _pair_children(left, right, role_of, renames if left is old else {})
        for one, other in pairs:
            new_of[one] = other
            if one.co_name != other.co_name:
                renamed.append((one, other))
        pending += [pair for pair in pairs if children(pair[0])]
        removed += lost
        ambiguous += unsure
    as_text_says = {other: one for one, other in new_of.items()}
    new_of |= {awaitable(one): awaitable(other) for one, other in new_of.items() if _may_be_awaitable(one)}
    gone = [code for top in removed for code in (top, *walk(top))]
    return Pairing(
        new_of=new_of,
        # What is no generator any more has one code for both.
        old_of={**{value: key for key, value in new_of.items()}, **as_text_says},
        removed=(*gone, *(awaitable(code) for code in gone if _may_be_awaitable(code))),
        renamed=tuple(renamed),
        ambiguous=tuple(ambiguous),
    )


def awaitable(code: CodeType) -> CodeType:
    """What ``types.coroutine`` makes of the code of a generator function, in the function itself; other code is as it was."""
    return code.replace(co_flags=code.co_flags | CO_ITERABLE_COROUTINE) if code.co_flags & CO_GENERATOR else code


def _may_be_awaitable(code: CodeType) -> bool:
    return bool(code.co_flags & CO_GENERATOR) and code.co_name != "<genexpr>"


def children(code: CodeType) -> list[CodeType]:
    return [const for const in code.co_consts if type(const) is CodeType]


def walk(code: CodeType) -> Iterator[CodeType]:
    """All code objects nested in one, outermost first."""
    for child in children(code):
        yield child
        yield from walk(child)


def _assign_roles(code: CodeType, roles: Roles) -> dict[int, str]:
    """The role of each nested code object, by its id."""
    at: dict[tuple[str, int], list[CodeType]] = {}
    for child in walk(code):
        at.setdefault((child.co_name, child.co_firstlineno), []).append(child)
    given: dict[int, str] = {}
    for key, codes in at.items():
        found = roles.get(key, [])
        # The compiler makes one code object of equal lambdas in one line, if they give a constant.
        fitting = found if len(found) == len(codes) else [_SHARED.join(found)] * len(codes)
        given |= {id(each): role for each, role in zip(codes, fitting, strict=True) if role}
    return given


class _Lazy(Mapping[_Key, _Value]):
    """A mapping that is made when it is first asked: only texts in which names repeat need their roles."""

    def __init__(self, make: Callable[[], Mapping[_Key, _Value]]) -> None:
        self._make = make
        self._made: Mapping[_Key, _Value] | None = None

    def _mapping(self) -> Mapping[_Key, _Value]:
        if self._made is None:
            self._made = self._make()
        return self._made

    def __getitem__(self, key: _Key) -> _Value:
        return self._mapping()[key]

    def __iter__(self) -> Iterator[_Key]:
        return iter(self._mapping())

    def __len__(self) -> int:
        return len(self._mapping())


def find_roles(tree: ast.Module, code: CodeType) -> Roles:
    """What each function of a text is written for, by name and first line; the tree is walked when somebody asks.

    Args:
        code: of the text.
    """
    return _Lazy(lambda: _read_roles(tree, code))


def _read_roles(tree: ast.Module, code: CodeType) -> dict[tuple[str, int], list[str]]:
    lines = sorted({child.co_firstlineno for child in walk(code)})
    found: dict[tuple[str, int], list[str]] = {}
    _note_roles(tree, "", found, lines)
    return found


def _has_code(node: ast.stmt, lines: list[int]) -> bool:
    """Whether there is code of its own in a statement: most have none, and need not be walked."""
    decorators = getattr(node, "decorator_list", ())
    first = min(node.lineno, *(each.lineno for each in decorators)) if decorators else node.lineno
    at = bisect_left(lines, first)
    return at < len(lines) and lines[at] <= (node.end_lineno or lines[at])


def _note_roles(node: ast.AST, role: str, found: dict[tuple[str, int], list[str]], lines: list[int]) -> None:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        line = node.decorator_list[0].lineno if node.decorator_list else node.lineno
        found.setdefault((node.name, line), []).append("@" + ",".join(map(dump, [*node.decorator_list, node.args])))
        role = node.name
    elif isinstance(node, ast.Lambda):
        found.setdefault(("<lambda>", node.lineno), []).append(role)
    elif isinstance(node, ast.Assign):
        role = ",".join(map(dump, node.targets))
    elif isinstance(node, ast.Expr):
        role += f";{dump_shape(node)[0]}"
    elif isinstance(node, ast.keyword):
        role += f"|{node.arg}="
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                _note_roles(key, role, found, lines)
            _note_roles(value, f"{role}|{dump(key) if key is not None else '**'}:", found, lines)
        return
    for place, child in enumerate(ast.iter_child_nodes(node)):
        if isinstance(child, ast.stmt) and not _has_code(child, lines):
            continue
        is_in_row = isinstance(node, (ast.expr, ast.arguments)) and not isinstance(child, ast.keyword)
        _note_roles(child, f"{role}{_PLACE}{place}" if is_in_row else role, found, lines)


def _pair_children(
    left: CodeType, right: CodeType, role_of: Mapping[int, str], renames: Mapping[str, str]
) -> tuple[list[tuple[CodeType, CodeType]], list[CodeType], list[CodeType]]:
    olds, news = _by_name(left), _by_name(right)
    pairs: list[tuple[CodeType, CodeType]] = []
    gone: list[CodeType] = []
    unsure: list[CodeType] = []
    for name, mine in olds.items():
        theirs = news.get(renames.get(name, name), [])
        if len(mine) == len(theirs) == 1 and name != "<lambda>":
            pairs.append((mine[0], theirs[0]))
            continue
        rest_old, rest_new = _pair_by(mine, theirs, _content_in_role(role_of), pairs)
        rest_old, rest_new = _pair_by(rest_old, rest_new, _content_in_role(role_of, with_place=False), pairs)
        shared = {part for code in (*rest_old, *rest_new) for part in _shared_roles(role_of.get(id(code), ""))}
        unsure += [code for code in rest_old if _is_among(role_of, code, shared)]
        rest_old, rest_new = ([c for c in codes if not _is_among(role_of, c, shared)] for codes in (rest_old, rest_new))
        rest_old, rest_new = _pair_by(rest_old, rest_new, content, pairs)
        groups_old, groups_new = _by_role(rest_old, role_of), _by_role(rest_new, role_of)
        for role, group in groups_old.items():
            others = groups_new.get(role, [])
            if len(group) == len(others):
                pairs += zip(group, others, strict=True)
            elif not others or (name.startswith("<") and name != "<lambda>"):
                gone += group
            else:
                unsure += group
    known = {renames.get(name, name) for name in olds}
    added = [code for name, codes in news.items() if name not in known for code in codes]
    gone, _ = _pair_by(gone, [code for code in added if not code.co_name.startswith("<")], content, pairs)
    return pairs, gone, unsure


def _content_in_role(role_of: Mapping[int, str], *, with_place: bool = True) -> Callable[[CodeType], bytes]:
    def key(code: CodeType) -> bytes:
        role = role_of.get(id(code), "")
        return content(code) + (role if with_place else _WITH_PLACE.sub("", role)).encode("utf-8", "backslashreplace")

    return key


def _shared_roles(role: str) -> list[str]:
    return role.split(_SHARED) if _SHARED in role else []


def _is_among(role_of: Mapping[int, str], code: CodeType, roles: set[str]) -> bool:
    return bool(roles) and not roles.isdisjoint(role_of.get(id(code), "").split(_SHARED))


def _by_name(code: CodeType) -> dict[str, list[CodeType]]:
    found: dict[str, list[CodeType]] = {}
    for child in children(code):
        found.setdefault(child.co_name, []).append(child)
    return found


def _by_role(codes: list[CodeType], role_of: Mapping[int, str]) -> dict[str, list[CodeType]]:
    found: dict[str, list[CodeType]] = {}
    for code in codes:
        found.setdefault(_WITH_PLACE.sub("", role_of.get(id(code), "")), []).append(code)
    return found


def _pair_by(
    mine: list[CodeType], theirs: list[CodeType], key: Callable[[CodeType], bytes], pairs: list[tuple[CodeType, CodeType]]
) -> tuple[list[CodeType], list[CodeType]]:
    """Move pairs of equal content from two lists to ``pairs``; gives what is left of each."""
    if not mine or not theirs:
        return mine, theirs
    waiting: dict[bytes, list[CodeType]] = {}
    for code in theirs:
        waiting.setdefault(key(code), []).append(code)
    rest = []
    for code in mine:
        if same := waiting.get(key(code)):
            pairs.append((code, same.pop(0)))
        else:
            rest.append(code)
    taken = {id(b) for _, b in pairs}
    return rest, [code for code in theirs if id(code) not in taken]


def content(code: CodeType) -> bytes:
    """A digest of what a code object does: without its name, its file and its lines.

    Line tables are left out, or one inserted line would change everything below it.
    """
    digest = hashlib.blake2b(digest_size=16)
    _feed(digest, code)
    return digest.digest()


def _feed(digest: hashlib.blake2b, code: CodeType) -> None:
    head = (
        code.co_code,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_flags,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_exceptiontable,
    )
    digest.update(repr(head).encode("utf-8", "backslashreplace"))
    for const in code.co_consts:
        if type(const) is CodeType:
            _feed(digest, const)
        elif type(const) is str and const == code.co_qualname:
            digest.update(b"<own name>")
        elif type(const) is frozenset:
            digest.update(repr(sorted(map(repr, const))).encode("utf-8", "backslashreplace"))
        else:
            digest.update(f"{type(const).__name__}{const!r}".encode("utf-8", "backslashreplace"))
