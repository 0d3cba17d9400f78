"""What hooks are asked about and what they answer with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

import attrs

from hotswap.commit import MISSING, Write
from hotswap.fingerprint import Print
from hotswap.model import Finding


class Refusal(Exception):
    """Raised by a hook that prepares a class: the change cannot be applied, nothing of it will be.

    Attributes:
        finding: the reason, with severity ``held``. Codes from HS200 to HS299 ask for a restart, those from HS300 on
            ask a question.
    """

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


@attrs.frozen(kw_only=True, eq=False)
class ClassPair:
    """A live class and the one that was built aside from the new text.

    Attributes:
        module: name of the module in ``sys.modules``.
        path: dotted name in the module.
        file, line: where the new class statement stands.
        live: the class that the program uses; it keeps its identity.
        staged: what a fresh start would make of it; the program never sees it.
        old_body, new_body: names that the class statements bind in their bodies.
        base: fingerprints of the module's data when loaded, class attributes as ``Class.attr``; None where hotswap
            came later.
        same_text: names that the new body assigns as the old one does, from nothing that changed.
        members: what ``hotswap_pair_members`` named for this class: staged object, live object.
    """

    module: str
    path: str
    file: str
    line: int
    live: type
    staged: type
    old_body: frozenset[str]
    new_body: frozenset[str]
    base: Mapping[str, Print] | None
    same_text: frozenset[str] = frozenset()
    members: tuple[tuple[Any, Any], ...] = ()


@attrs.frozen(kw_only=True)
class Kept:
    """How a live object of a library becomes another one.

    Attributes:
        names: attributes that it keeps as they are; it gets all others.
        inside: by the name of an attribute, how the object in it lives on in the same way.
    """

    names: frozenset[str] = frozenset()
    inside: Mapping[str, Kept] = attrs.Factory(dict)


@attrs.frozen(kw_only=True, eq=False)
class Field:
    """A value that each object of a class holds.

    Attributes:
        default: what an object that exists gets when the field is new; ``hotswap.commit.MISSING`` for none.
        factory: makes a fresh default for each object. It is called inside the commit, so it must be implemented in
            C and call nothing of the program: ``list``, ``dict``, or what :func:`copies_of` gives.
        kind: a word for what the field holds (``int``, ``list``), empty where unknown. A field that goes while one of
            the same kind comes may have been renamed; that is asked about.
        why: a few words that say why there is no default, for the question that a person is asked.
        is_bare: True where a descriptor of a library stands before the field and keeps it under its name in the object's dict.
    """

    default: Any = MISSING
    factory: Callable[[], Any] | None = None
    kind: str = ""
    why: str = ""
    is_bare: bool = False

    @property
    def is_safe(self) -> bool:
        """True when objects that exist can be given the field without asking anybody."""
        return self.factory is not None or self.default is not MISSING


@attrs.frozen(kw_only=True, eq=False)
class Shape:
    """What the objects of a class hold.

    Attributes:
        fields: by name, in order.
        is_fixed: True where an object cannot get other fields (a tuple): any difference is held while objects live.
    """

    fields: Mapping[str, Field]
    is_fixed: bool = False


@attrs.frozen(kw_only=True, eq=False)
class Stale:
    """What runs new code after this swap, for plugins that hold results of the old one.

    Attributes:
        functions: (module, qualified name) of all functions that behave differently, through any number of calls.
        rebuilt: live classes whose contents are exchanged.
        aside: ids of the classes that were made aside to rebuild them; they go again.
        rebased: those of them that get other bases.
        lru_caches: all ``functools.lru_cache`` wrappers of the program.
        generic: all generic functions of ``functools.singledispatch``, those included that were made aside.
        find: gives the live object of a (module, qualified name), None where there is none.
        becomes: gives what will stand there after the swap, as it was evaluated aside; None where nothing was.
        is_stale: True for a live function that behaves differently after the swap.
        may_differ: True for a live callable that may give something else after the swap. It looks through methods,
            partials and wrappers, and follows calls of what a function is given: the question for results that are
            cheaper to drop than to keep wrongly.
        members: the attributes of a kind (``functools.cached_property``) in the classes of the managed modules, as class
            and name.
        drop_attribute: writes that remove an attribute from all instances of a class, those included that are made
            until the commit.
        drop_attribute_on_rollback: the same, but only when the swap is taken back.
    """

    functions: frozenset[tuple[str, str]]
    rebuilt: tuple[type, ...]
    aside: frozenset[int]
    rebased: tuple[type, ...]
    lru_caches: tuple[Any, ...]
    generic: tuple[FunctionType, ...]
    find: Callable[[tuple[str, str]], Any]
    becomes: Callable[[tuple[str, str]], Any]
    is_stale: Callable[[FunctionType], bool]
    may_differ: Callable[[Any], bool]
    members: Callable[[type], list[tuple[type, str]]]
    drop_attribute: Callable[[type, str], list[Write]]
    drop_attribute_on_rollback: Callable[[type, str], list[Write]]
