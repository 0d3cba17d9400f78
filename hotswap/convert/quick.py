"""The quick way for the common case, compiled for one class and one leap: what :meth:`Conversions.convert` does, written out
for the names that the objects have and that their hooks set.

It gives False for whatever it is not made for, before a hook has run, and where a swap or another thread came first. Then
the ordinary way decides, from the beginning.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping
from itertools import starmap
from threading import get_ident
from typing import TYPE_CHECKING, Any

from hotswap.collector import COLLECTS_WITHIN_CALLS, consume
from hotswap.convert.leap import HookError
from hotswap.convert.route import Route
from hotswap.convert.state import PlaceError, State

if TYPE_CHECKING:
    from hotswap.convert.conversions import Conversions

#: Converts an object; False where it has not.
Quick = Callable[[Any], bool]


def is_simple(route: Route) -> bool:
    """True for what can be compiled: one leap forth, objects whose values are all where CPython keeps them."""
    return route.hooks is not None and not (route.is_once or route.tells or route.layout.is_beside)


def compile_quick(own: Conversions, route: Route, place: int, number: int, after: Collection[str]) -> Quick | None:
    """Compile the quick way for objects that have the names that were learned last; None where none were.

    Args:
        place: of the leap in the row of the class.
        number: of the epoch; after it the hooks are others.
        after: the names that one of them had when its hooks had run.
    """
    layout, leap = route.layout, route.leaps[0]
    if (reading := layout.reader.reading("return False")) is None or not reading[0]:
        return None  # an object without any field may be one that is just being made
    names, lines, space = reading
    values = [f"v{at}" for at in range(len(names))]
    assert route.hooks is not None
    space |= {
        "failures": own.failures, "pending": own.pending, "running": own.running, "epochs": own.epoch, "get_ident": get_ident,
        "unsettled": own.unsettled, "unmade": own.unmade, "progress": own.progress, "clashes": own.clashes,
        "fail": own.fail_hook, "finish": finish, "own": own, "route": route, "make": State,
        "flat": layout.flat, "put": layout.set, "put_back": own.put_back, "delete": layout.delete,
        "is_epoch": own.is_epoch, "take_out": own.take_out, "consume": consume, "starmap": starmap, "call": operator.call,
        "fills": leap.fills, "lacking": leap.lacking,
    }  # fmt: skip
    space |= {f"hook{at}": hook for at, (hook, _, _) in enumerate(route.hooks)}
    new = [name for name in after if name not in names]
    leaves_no_question = layout.fit.issuperset(after) and layout.inner.isdisjoint(new) and route.is_finished({*names, *new})
    same = [f"state[{name!r}] is {value}" for name, value in zip(names, values, strict=True)]
    text = [
        "def quick(item):",
        " key = id(item)",
        " if unsettled or key in unmade or key in progress or key in clashes or key in failures: return False",
        f" if {number} not in epochs: return False",
        " if (entry := pending.get(key)) is None: return True",
        " thread = get_ident()",
        f" if entry[1] != {place} or thread in running: return False",
        *(f" {line}" for line in lines),
        *(f" if {' or '.join(f'type({value}) not in flat' for value in values)}: return False" for _ in values[:1]),
        " if pending.get(key) is not entry: return False",  # what was read may be of two versions
        " state = make()",
        *(f" state[{name!r}] = {value}" for name, value in zip(names, values, strict=True)),
        " running[thread] = (item, None)",
        " at = None",
        " try:",
        *(f"  state[{name!r}] = lacking[{name!r}].give()" for name in leap.lacking if name not in names),
        *(f"  at = {at}; hook{at}(state)" for at in range(len(route.hooks))),
        "  at = None",
        *(f"  if {name!r} not in state: state[{name!r}] = fills[{name!r}].give()" for name in leap.fills),
        " except Exception as error:",  # border to the hooks and to factories of the program
        f"  fail(item, key, entry, route, {number}, at, error)",
        "  return False",
        " finally:",
        "  del running[thread]",
    ]
    if len(new) == 1 and leaves_no_question and not COLLECTS_WITHIN_CALLS:  # else finish() does the same
        text += [
            " try:",
            f"  value = state[{new[0]!r}]",
            f"  is_foreseen = len(state) == {len(names) + 1} and {' and '.join(same)}",
            " except KeyError: is_foreseen = False",
            " if is_foreseen:",
            "  try:",
            f"   consume(starmap(call, ((is_epoch, {number}), (take_out, key), (put, item, {new[0]!r}, value))))",
            "   return True",
            "  except KeyError: pass",  # a swap was, or another thread
            # It was taken out and could not be written, which nothing that is foreseen does; see Conversions.publish().
            f"  except Exception as error: put_back(entry, [(delete, item, {new[0]!r})], error, route)",
            "  return False",
        ]
    before = ", ".join(f"{name!r}: {value}" for name, value in zip(names, values, strict=True))
    text.append(f" return finish(own, route, {number}, item, key, entry, {{{before}}}, state)")
    exec(compile("\n".join(text), f"{__file__}:{layout.cls.__qualname__}", "exec"), space)
    found: Quick = space["quick"]
    return found


def finish(
    own: Conversions, route: Route, number: int, item: Any, key: int, entry: tuple[Any, int],
    before: Mapping[str, Any], state: State,
) -> bool:  # fmt: skip
    """Publish what hooks have made of an object whose values nobody can change; True where it is done."""
    layout, leap = route.layout, route.leaps[0]
    try:
        if not route.is_finished(state):
            leap.finish(state)
        if not layout.fit.issuperset(state):
            layout.check(before, state)
    except (HookError, PlaceError) as error:
        if own.pending.get(key) is entry:
            own.fail(item, key, error, route, number)
        return False
    if lost := before.keys() - state.keys():
        leap.aside.put(item, {name: before[name] for name in lost})
    calls = layout.write(item, None, before, state)
    return own.publish(item, key, entry, number, route, (), calls, lambda: layout.write(item, None, state, before))
