"""Which new code object takes the place of which old one.

    same name, one on each side        pair
    same name, several                 pair those with equal content first, the rest in order if the counts agree
    same name, counts differ           the unpaired ones are ambiguous if their functions may be alive
    only in the old text               removed, unless an added one has equal content: renamed
    only in the new text               added

Pairs are found from the outside in, so a nested function is only paired within its paired parent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from types import CodeType

import attrs


@attrs.frozen(kw_only=True, eq=False)
class Pairing:
    """Old code objects and what becomes of them.

    Attributes:
        new_of: old code -> new code.
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


def pair_codes(old: CodeType, new: CodeType) -> Pairing:
    """Pair the code objects nested in two module code objects."""
    new_of: dict[CodeType, CodeType] = {}
    removed: list[CodeType] = []
    renamed: list[tuple[CodeType, CodeType]] = []
    ambiguous: list[CodeType] = []
    pending = [(old, new)]
    while pending:
        left, right = pending.pop()
        pairs, gone, unsure = _pair_children(left, right)
        for one, other in pairs:
            new_of[one] = other
            if one.co_name != other.co_name:
                renamed.append((one, other))
        pending += pairs
        removed += gone
        ambiguous += unsure
    return Pairing(
        new_of=new_of,
        old_of={value: key for key, value in new_of.items()},
        removed=tuple(code for top in removed for code in (top, *walk(top))),
        renamed=tuple(renamed),
        ambiguous=tuple(ambiguous),
    )


def children(code: CodeType) -> list[CodeType]:
    return [const for const in code.co_consts if type(const) is CodeType]


def walk(code: CodeType) -> Iterator[CodeType]:
    """All code objects nested in one, outermost first."""
    for child in children(code):
        yield child
        yield from walk(child)


def _pair_children(
    left: CodeType, right: CodeType
) -> tuple[list[tuple[CodeType, CodeType]], list[CodeType], list[CodeType]]:
    olds, news = _by_name(left), _by_name(right)
    pairs: list[tuple[CodeType, CodeType]] = []
    gone: list[CodeType] = []
    unsure: list[CodeType] = []
    for name, mine in olds.items():
        theirs = news.get(name, [])
        if len(mine) == len(theirs) == 1:
            pairs.append((mine[0], theirs[0]))
            continue
        rest_old, rest_new = _pair_equal(mine, theirs, pairs)
        if len(rest_old) == len(rest_new):
            pairs += zip(rest_old, rest_new, strict=True)
        elif rest_new and theirs:
            unsure += rest_old
        else:
            gone += rest_old
    added = [code for name, codes in news.items() if name not in olds for code in codes]
    gone, _ = _pair_equal(gone, [code for code in added if not code.co_name.startswith("<")], pairs)
    return pairs, gone, unsure


def _by_name(code: CodeType) -> dict[str, list[CodeType]]:
    found: dict[str, list[CodeType]] = {}
    for child in children(code):
        found.setdefault(child.co_name, []).append(child)
    return found


def _pair_equal(
    mine: list[CodeType], theirs: list[CodeType], pairs: list[tuple[CodeType, CodeType]]
) -> tuple[list[CodeType], list[CodeType]]:
    """Move pairs of equal content from two lists to ``pairs``; gives what is left of each."""
    if not mine or not theirs:
        return mine, theirs
    waiting: dict[bytes, list[CodeType]] = {}
    for code in theirs:
        waiting.setdefault(content(code), []).append(code)
    rest = []
    for code in mine:
        if same := waiting.get(content(code)):
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
        code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_flags,
        code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_exceptiontable,
    )  # fmt: skip
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
