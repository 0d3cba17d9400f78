"""What a function carries beside its code is data: attributes set on it, and default values that are no plain constants.

    f.mark = 2.5, also in another module, in a decorator      ``f.mark`` in the base of its module
    def f(seen={})                                            ``f(seen)``

    the new text gives another value             three-way merge, see ``data.py``
    the new text gives none, and a statement     removed, unless the program changed it
      that set it is gone, or a decorator did
    the new text gives none otherwise            kept: nobody can see in the text what set it
    the name gets another object                 it carries what the program set on the old one
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

import attrs

from hotswap.commit import MISSING, NOTHING, Swap, Write, set_item
from hotswap.fingerprint import OF_WRAPPERS, Print, fingerprint, function_data, same_value
from hotswap.link.data import CHANGED, Merger
from hotswap.plan.build import Draft
from hotswap.plan.units import Unit
from hotswap.world import World, walk_functions


@attrs.define(eq=False)
class FunctionData:
    """Merges what functions carry, for one swap.

    Attributes:
        base_of: fingerprints of a module's data when it was loaded.
    """

    draft: Draft
    world: World
    merger: Merger
    base_of: Callable[[str], Mapping[str, Print]]
    _places: dict[int, tuple[str, str]] | None = None

    def merge(self, function: Any, key: str, old: Any, new: Any) -> Any:
        """What an attribute or a default of a live function is to be; MISSING for nothing.

        Args:
            key: ``.mark`` or ``(parameter)``.
        """
        if old is new or same_value(old, new):
            return old
        place = self._place_of(function)
        if place is None:
            return new
        module, path = place
        base = self.base_of(module)
        then = base.get(f"{path}{key}")
        if new is MISSING:
            now = fingerprint(old, self.merger.is_managed, f"{module}.{path}{key}")
            return MISSING if then is not None and now.same(then) and self._is_unset(module, path) else old
        if then is None and (path not in base or not key.startswith(".")):
            return new
        if (then is None and old is MISSING) or self._is_of_library(function, old):
            return new
        name, where = f"{module}.{path}{key}", self._where(module, path)
        if then is None or old is MISSING:
            self.merger.keep(name, where, CHANGED)
            return old
        return self.merger.merge(name, old, then, new, where)

    def carry(self, swap: Swap, live: Any, made: Any, bound: Any, resolve: Callable[[Any], Any]) -> None:
        """Add the writes that give what a name is bound to the attributes that it is to have.

        Args:
            live: what the name is bound to now.
            made: what its statements made aside.
            bound: what it will be bound to.
        """
        changes = {}
        for key in (live.__dict__.keys() | made.__dict__.keys()) - OF_WRAPPERS:
            has = bound.__dict__.get(key, MISSING)
            value = self.merge(live, f".{key}", live.__dict__.get(key, MISSING), resolve(made.__dict__.get(key, MISSING)))
            if value is not has:
                changes[key] = value
        swap.add(*write_attributes(bound, changes))

    def _place_of(self, function: Any) -> tuple[str, str] | None:
        if self._places is None:
            self._places = {}
            for module in self.draft.order:
                for path, item in walk_functions(self.world, self.world.records[module]):
                    self._places.setdefault(id(item), (module, path))
        return self._places.get(id(function))

    def _is_of_library(self, function: Any, value: Any) -> bool:
        """True for what a wrapper of a library needs to work, as ``registry`` and ``dispatch`` of ``singledispatch``."""
        foreign = function.__globals__.get("__name__") not in self.world.records if type(function) is FunctionType else False
        return foreign and (callable(value) or fingerprint(value, self.merger.is_managed).opaque)

    def _is_unset(self, module: str, path: str) -> bool:
        """True where a statement that set attributes is gone or changed, or decorators were applied anew."""
        name = path.partition(".")[0]
        unit, diff = self._unit(module, name), self.draft.diffs.get(module)
        units = [unit] if unit is not None else []
        units += [old for old, new in diff.pairs if new is unit] if diff is not None else []
        decorated = any(getattr(node, "decorator_list", None) for each in units for node in ast.walk(each.node))
        return decorated or (module, name) in self.draft.dirt.unset

    def _unit(self, module: str, name: str) -> Unit | None:
        evaluated = self.draft.dirt.changed | set(self.draft.dirt.derived)
        units = self.draft.summaries[module].units if module in self.draft.summaries else []
        return next((unit for unit in units if name in unit.names and (module, unit.index) in evaluated), None)

    def _where(self, module: str, path: str) -> tuple[str, int]:
        unit = self._unit(module, path.partition(".")[0].partition("(")[0])
        return (self.world.file_of(module), unit.line if unit is not None else 0)


def write_attributes(function: Any, changes: Mapping[str, Any]) -> list[Write]:
    """Set attributes of a function or a cache, or take them away where the value is MISSING; the way back keeps their order."""
    state = function.__dict__
    gone = {key for key, value in changes.items() if value is MISSING and key in state}
    writes = [set_item(state, key, value) for key, value in changes.items() if value is not MISSING]
    keys = list(state)
    first = min((keys.index(key) for key in gone), default=len(keys))
    for key in reversed(keys[first:]):  # undone from the first to the last: each is put behind those before it
        do = (state.pop, key, None) if key in gone else NOTHING
        writes += [Write(do, (dict.__setitem__, state, key, state[key])), Write(NOTHING, (state.pop, key, None))]
    return writes


def merged_defaults(swap: Swap, function: FunctionType, new: FunctionType) -> tuple[Any, dict[str, Any] | None]:
    """The positional and the keyword defaults that a live function takes over from a new one."""
    mine, theirs = function_data(function, atoms=True), function_data(new, atoms=True)
    merged = {
        key[1:-1]: swap.merge(function, key, mine.get(key, MISSING), value) for key, value in theirs.items() if key[0] == "("
    }
    named = new.__code__.co_varnames[: new.__code__.co_argcount]
    positional, keyword = new.__defaults__, new.__kwdefaults__
    if positional:
        positional = tuple(merged[name] for name in named[len(named) - len(positional) :])
    return positional, {name: merged[name] for name in keyword} if keyword else keyword
