"""One instant for all writes: what fails in the middle leaves everything as it was."""

from __future__ import annotations

import dis
import itertools
import warnings
from types import CodeType, FunctionType
from typing import Any

import pytest

from hotswap.commit import Swap, Write, WriteError, apply, revert, set_class, set_function, set_item


def _functions(count: int, value: int) -> list[FunctionType]:
    made: dict[str, Any] = {}
    exec("".join(f"def f{i}():\n    return {value}\n" for i in range(count)), made)
    return [made[f"f{i}"] for i in range(count)]


def _writes() -> tuple[list[FunctionType], dict[str, int], list[int], Swap]:
    """Writes of several kinds, some in a row and some not, one of them without arguments."""
    functions, news, table, calls = _functions(4, 1), _functions(4, 2), {"a": 1}, [1, 2, 3]
    swap = Swap()
    swap.add(*(set_function(f, "__code__", n.__code__) for f, n in zip(functions[:2], news[:2], strict=True)))
    swap.add(set_item(table, "a", 2), set_item(table, "b", 2))
    swap.add(set_function(functions[2], "__code__", news[2].__code__))
    swap.add(Write((calls.clear,), (calls.extend, [1, 2, 3])))
    swap.add(set_function(functions[3], "__code__", news[3].__code__))
    return functions, table, calls, swap


def test_all_writes_are_made_and_taken_back() -> None:
    """In order forward, in the other order backward."""
    functions, table, calls, swap = _writes()
    apply(swap)
    assert ([f() for f in functions], table, calls) == ([2, 2, 2, 2], {"a": 2, "b": 2}, [])
    revert(swap)
    assert ([f() for f in functions], table, calls) == ([1, 1, 1, 1], {"a": 1}, [1, 2, 3])


@pytest.mark.parametrize(("place", "way"), list(itertools.product(range(8), (apply, revert))))
def test_a_write_that_fails_leaves_nothing_half_done(place: int, way: Any) -> None:
    """Wherever it stands among the others, and whichever way they are made."""
    functions, table, calls, swap = _writes()
    if way is revert:
        apply(swap)
    before = ([f() for f in functions], dict(table), list(calls))
    broken: dict[str, int] = {}
    swap.writes.insert(place, Write((dict.__delitem__, broken, "x"), (dict.__delitem__, broken, "x"), "the broken one"))
    with pytest.raises(WriteError, match="the broken one"):
        way(swap)
    assert ([f() for f in functions], table, calls) == before


_KINDS = "def f():\n    pass\ndef f():\n    yield\nasync def f():\n    pass\nasync def f():\n    yield\n"


@pytest.mark.parametrize("fails", [False, True])
def test_functions_of_another_kind_give_no_warning(fails: bool) -> None:
    """Forward and backward, also where a write fails and where the program makes errors of warnings (CPython 3.13 warns)."""
    codes = [code for code in compile(_KINDS, "kinds.py", "exec").co_consts if type(code) is CodeType]
    functions = [FunctionType(code, {}) for code in codes]
    broken: dict[str, int] = {}
    swap = Swap()
    swap.add(*(set_function(f, "__code__", code) for f, code in zip(functions, codes[1:] + codes[:1], strict=True)))
    if fails:
        swap.add(Write((dict.__delitem__, broken, "x"), (dict.__delitem__, broken, "x")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        if fails:
            with pytest.raises(WriteError):
                apply(swap)
        else:
            apply(swap)
            assert [f.__code__ for f in functions] == codes[1:] + codes[:1]
            revert(swap)
        assert [f.__code__ for f in functions] == codes
        assert warnings.filters == before


class Written:
    number = -1

    def read(self) -> int:
        return self.number


class Below(Written):
    pass


def test_a_class_that_was_written_to_ten_thousand_times_is_read_as_fast_as_before() -> None:
    """CPython 3.13 gives up its caches of a class after a thousand writes, for good, and of what is below it."""
    item = Below()
    for number in range(10_000):
        swap = Swap()
        swap.add(set_class(Written, "number", number))
        apply(swap)
        assert item.read() == number

    def read(it: Any) -> Any:
        return it.read()

    for _ in range(100):
        read(item)
    used = {each.opname for each in dis.get_instructions(read, adaptive=True)}
    assert used & {"LOAD_ATTR_METHOD_WITH_VALUES", "LOAD_METHOD_WITH_VALUES", "LOAD_ATTR_METHOD_NO_DICT"}, used
