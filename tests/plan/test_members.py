"""Which edits of a class need no class statement, told from the two texts alone."""

from __future__ import annotations

import ast

import pytest

from hotswap.plan.members import MemberEdit, compare_members, reduce_class, take_members

OLD = '''
class C(Base):
    """Says what it is."""
    column = Column()
    limit = 1
    rate: ClassVar = 2
    def f(self): return limit
    @property
    def p(self): return 1
    @p.setter
    def p(self, value): pass
    @magic
    def m(self): return 1
'''


def statement(text: str) -> ast.ClassDef:
    node = ast.parse(text).body[0]
    assert isinstance(node, ast.ClassDef)
    return node


def compare(old: str, new: str) -> MemberEdit | str:
    return compare_members(statement(OLD), statement(OLD.replace(old, new, 1)))


@pytest.mark.parametrize(("old", "new", "names", "removed", "values"), [
    ("limit = 1", "limit = 3", {"limit"}, set(), {"limit"}),
    ("limit = 1", "limit = more = -3", {"limit", "more"}, set(), {"limit", "more"}),
    ("ClassVar = 2", "ClassVar = 3", {"rate"}, set(), {"rate"}),
    ("def f(self)", "def f(self, n=1)", {"f"}, set(), set()),
    ("    def f(self): return limit\n", "", set(), {"f"}, set()),
    ("def f(self)", "def g(self): pass\n    def f(self)", {"g"}, set(), set()),
    ("limit = 1", "limit = 1\n    both = [limit]", {"both", "limit"}, set(), {"both", "limit"}),
    ("def p(self, value)", "def p(self, value=2)", {"p"}, set(), set()),
    ("def f(self): return limit", "f = lambda self: 1", {"f"}, set(), {"f"}),
    ("return limit", "return 3", set(), set(), set()),
    ("return 1\n", "return 2\n", set(), set(), set()),
])  # fmt: skip
def test_members_that_differ(old: str, new: str, names: set[str], removed: set[str], values: set[str]) -> None:
    """Methods and simple attributes are found by name; bodies alone are no edit, they are jumped to."""
    edit = compare(old, new)
    assert isinstance(edit, MemberEdit), edit
    assert (set(edit.names), set(edit.removed), set(edit.values)) == (names, removed, values)
    assert edit.methods == {"f"}


@pytest.mark.parametrize(("old", "new", "why"), [
    ("C(Base)", "C(Base, Other)", "the head of class C"),
    ("class C", "@mark\nclass C", "the head of class C"),
    ("column = Column()", "column = Column(1)", "column = Column(1)"),
    ("column = Column()", "column = 3", "column = Column()"),
    ("    column = Column()\n", "", "column = Column()"),
    ("    limit = 1\n", "    limit = 1\n    other = Column()\n", "other = Column()"),
    ("limit = 1", "limit = compute()", "limit = compute()"),
    ("limit = 1", "limit: int = 1", "limit: int = 1"),
    ("limit = 1", "limit = 1\n    class Meta: pass", "class Meta:"),
    ("limit = 1", "limit = 1\n    __tablename__ = 'x'", "__tablename__ = 'x'"),
    ("limit = 1", "limit = 1\n    model_config = {}", "model_config = {}"),
    ("limit = 1", "limit = 1\n    if limit: pass", "if limit:"),
    ("@magic", "@magic(2)", "@magic(2)"),
    ("def m(self)", "def m(self, n)", "@magic"),
])  # fmt: skip
def test_what_goes_beyond_members_is_named(old: str, new: str, why: str) -> None:
    """The first statement that something outside may have read is named as it stands in the text."""
    assert compare(old, new) == why


def test_order_of_what_is_no_member_counts() -> None:
    """Fields are numbered by their order in many frameworks."""
    old = statement("class C:\n    a = Field()\n    b = Field()\n")
    assert compare_members(old, statement("class C:\n    b = Field()\n    a = Field()\n")) == "b = Field()"


def test_member_that_is_used_while_the_class_is_made_takes_its_user_with_it() -> None:
    """A user that is no member cannot be evaluated alone."""
    node = statement("class C:\n    KINDS = 1\n    twice = KINDS * 2\n    field = Field(KINDS)\n    def f(self, k=twice): pass\n")
    assert take_members(node, {"KINDS"}) == "field = Field(KINDS)"
    edit = take_members(statement("class C:\n    KINDS = 1\n    twice = KINDS * 2\n    def f(self, k=twice): pass\n"), {"KINDS"})
    assert isinstance(edit, MemberEdit)
    assert edit.names == {"KINDS", "twice", "f"}


def test_reduced_statement_has_members_only() -> None:
    """No bases, no metaclass, no decorators; lines stay what they are."""
    head, methods = "@mark\nclass C(Base, metaclass=Meta):\n", "    def f(self): pass\n    @property\n    def g(self): pass\n"
    node = statement(f"{head}    x = Field()\n{methods}")
    edit = take_members(node, {"g"})
    assert isinstance(edit, MemberEdit)
    reduced = reduce_class(node, edit)
    assert ast.unparse(reduced) == "class C:\n\n    @property\n    def g(self):\n        pass"
    assert reduced.body[0].lineno == 6
    assert node.bases
