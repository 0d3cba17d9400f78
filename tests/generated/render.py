"""The text of a program: one file a module, with the imports that its references need."""

from __future__ import annotations

import textwrap
from typing import Any

from tests.generated.program import (
    Choose,
    Class,
    Comment,
    Comp,
    Data,
    Decorator,
    Effect,
    Function,
    Lambda,
    Lit,
    Local,
    Many,
    New,
    Own,
    Partial,
    Program,
    Ref,
    Registry,
    Special,
    Use,
    Wrapper,
)
from tests.generated.scope import ancestors, is_hooked, members

LIBRARY = {
    "functools.": "import functools",
    "contextlib.": "import contextlib",
    "@dataclass": "from dataclasses import dataclass",
    "re.compile": "import re",
    "(enum.": "import enum",
    "(NamedTuple": "from typing import NamedTuple",
}
#: Text of a special definition (name, value, extra), and what is read of it where it is used.
SPECIALS = {
    "enum": "class {n}(enum.Enum):\n    A = {v}\n    B = ({e}, 'b')\n    def more(self):\n        return (self.value, {e})",
    "error": "class {n}(Exception):\n    code = {v}\n    def __str__(self):\n        return repr({e})",
    "tuple": "class {n}(NamedTuple):\n    x: object = {v}\n    y: object = {e}",
    "pattern": "{n} = re.compile(str({v}))",
    "dispatch": "@functools.singledispatch\ndef {n}(x='x'):\n    return {v}\n@{n}.register\ndef _(x: int):\n    return {e}",
    "nested": "class {n}:\n    class Inner:\n        p = {v}\n        def a(self, x='x'):\n            return {e}",
    "slots": "class {n}:\n    __slots__ = ('x',)\n    def __init__(self, x=0):\n        self.x = x\n"
             "    def a(self, x={v}):\n        return ({e}, x)",
    "method": "class {n}:\n    def a(self, x, y=0):\n        return (x, y, {e})\n    b = functools.partialmethod(a, {v})",
}  # fmt: skip
SPECIAL_USES = {"enum": ".A.value", "error": ".code", "tuple": "().x", "pattern": ".pattern", "dispatch": "({a})",
                "nested": ".Inner.p", "slots": "(0).a()", "method": "().b()"}  # fmt: skip
ASYNC = ("coro", "agen")


def render(program: Program) -> dict[str, str]:
    """Relative path to text, of every module."""
    return {f"{module.name}.py": _Renderer(program, module.name).text() for module in program.modules}


class _Renderer:
    def __init__(self, program: Program, module: str) -> None:
        self.program = program
        self.module = module
        self.classes = {s.name: s for _, _, s in program.statements() if isinstance(s, Class)}
        self.needed: dict[str, set[str]] = {}  # imported by name at the top
        self.modules: set[str] = set()  # imported as modules
        self.inside: dict[str, set[str]] | None = None  # while in a function that imports inside
        self.method: Function | None = None
        self.names = 0

    def text(self) -> str:
        own = self.program.module(self.module)
        parts = [self.statement(statement) for statement in own.statements]
        body = "\n".join(parts)
        top = [line for mark, line in LIBRARY.items() if mark in body]
        docs = [s.text for s in own.statements[:1] if isinstance(s, Comment) and s.text.startswith('"""')]
        text = "\n".join([*docs, *top, *self.imports(), *(parts[1:] if docs else parts)])
        return text.rstrip("\n") + "\n"

    # -- imports --------------------------------------------------------------------------------------------

    def imports(self) -> list[str]:
        lines, own = [], self.program.module(self.module)
        for module in self.program.modules:
            if module.name in self.modules:
                lines.append(f"import {module.name}")
            if left := [name for name in own.kept if self.program.owner(name) == module.name]:
                lines.append(f"from {module.name} import {', '.join(left)}")  # by its own name, whatever the style
            if names := sorted(self.needed.get(module.name, ())):
                style = self.program.style(self.module, module.name)
                if style == "star":
                    lines.append(f"from {module.name} import *")
                else:
                    how = [f"{name} as {module.name}_{name}" if style == "as" else name for name in names]
                    lines.append(f"from {module.name} import {', '.join(how)}")
        return lines

    def need(self, name: str, owner: str) -> None:
        self.needed.setdefault(owner, set()).add(name)

    def name(self, ref: Ref) -> str:
        """How the module says the name."""
        return self.bound(ref.name, self.program.owner(ref.name))

    def bound(self, name: str, owner: str) -> str:
        if owner == self.module:
            return name
        if self.inside is not None:
            self.inside.setdefault(owner, set()).add(name)
            return name
        style = self.program.style(self.module, owner)
        if style == "module":
            self.modules.add(owner)
            return f"{owner}.{name}"
        self.need(name, owner)
        return f"{owner}_{name}" if style == "as" else name

    # -- expressions ----------------------------------------------------------------------------------------

    def expr(self, node: Any) -> str:
        return getattr(self, f"expr_{type(node).__name__.lower()}")(node)

    def expr_lit(self, node: Lit) -> str:
        return node.text

    def expr_local(self, node: Local) -> str:
        return node.name

    def expr_ref(self, node: Ref) -> str:
        return self.name(node)

    def expr_new(self, node: New) -> str:
        return f"{self.name(node.target)}({self.expr(node.arg)})"

    def expr_partial(self, node: Partial) -> str:
        return f"functools.partial({self.name(node.target)}, {self.expr(node.arg)})"

    def expr_many(self, node: Many) -> str:
        items = [self.expr(item) for item in node.items]
        if node.kind == "dict":
            return "{" + ", ".join(f"{f'k{index}'!r}: {item}" for index, item in enumerate(items)) + "}"
        if node.kind == "set":
            return "{" + ", ".join(items) + "}" if items else "set()"
        return f"[{', '.join(items)}]" if node.kind == "list" else f"({', '.join(items)}{',' * (len(items) == 1)})"

    def expr_comp(self, node: Comp) -> str:
        item, over = self.expr(node.item), f"for i in range({node.count})"
        if node.kind == "dict":
            return f"{{i: {item} {over}}}"
        return f"[(i, {item}) {over}]" if node.kind == "list" else f"tuple((i, {item}) {over})"

    def expr_choose(self, node: Choose) -> str:
        return f"({self.expr(node.then)} if {self.expr(node.test)} else {self.expr(node.other)})"

    def expr_lambda(self, node: Lambda) -> str:
        return f"(lambda x='x', d={self.expr(node.default)}: ({self.expr(node.body)}, d))"

    def expr_own(self, node: Own) -> str:
        assert self.method is not None
        first = "cls" if self.method.flavour == "class" else "self"
        if node.by_super:
            tail = "" if self.method.flavour == "property" else "(x)"
            return f"super().{node.member}{tail}"
        found = members(self.owner, self.classes)[str(node.member)]
        called = isinstance(found, Function) and found.flavour in ("func", "static", "class")
        return f"{first}.{node.member}" + ("('o')" if called else "")

    def expr_use(self, node: Use) -> str:
        target = self.program.find(node.target.name)
        name, arg = self.name(node.target), self.expr(node.arg)
        if isinstance(target, Function):
            return self.called(target, name, arg)
        if isinstance(target, Special):
            return name + SPECIAL_USES[target.kind].format(a=arg)
        return self.asked(target, name, arg, str(node.member)) if isinstance(target, Class) else name

    def called(self, function: Function, name: str, arg: str) -> str:
        if function.flavour in (*ASYNC, "cm"):
            return f"{name}.__name__"
        call = f"{name}({arg})"
        return f"list({call})" if function.flavour == "gen" else f"{call}({arg})" if function.flavour == "factory" else call

    def asked(self, cls: Class, name: str, arg: str, member: str) -> str:
        found = members(cls, self.classes).get(member)
        if found is None:
            return f"{name}.__name__"
        if not isinstance(found, Function) or found.flavour in (*ASYNC, "cm"):
            return f"{name}.{member}" if not isinstance(found, Function) else f"{name}.{member}.__name__"
        if found.flavour in ("property", "cached"):
            return f"{name}({arg}).{member}"
        if found.flavour in ("static", "class"):
            return f"{name}.{member}({arg})"
        return self.called(found, f"{name}({arg}).{member}", arg)

    # -- statements -----------------------------------------------------------------------------------------

    def statement(self, node: Any) -> str:
        return getattr(self, f"text_{type(node).__name__.lower()}")(node)

    def text_comment(self, node: Comment) -> str:
        return node.text

    def text_data(self, node: Data) -> str:
        name, value = node.name, self.expr(node.value)
        extra = "" if node.form in ("plain", "annotated", "loop", "fill") else self.expr(node.extra)
        return {
            "plain": "{n} = {v}", "annotated": "{n}: object = {v}", "unpack": "{n}, {n}b = {v}, {e}",
            "if": "if {e}:\n    {n} = {v}\nelse:\n    {n} = ({v}, 'else')", "augment": "{n} = ({v},)\n{n} += ({e},)",
            "loop": "{n} = []\nfor i in range(2):\n    {n}.append((i, {v}))",
            "fill": "{n} = {{}}\nfor i in range(2):\n    {n}[i] = {v}",
            "try": "try:\n    {n} = {v}\nexcept ValueError:\n    {n} = {e}",
        }[node.form].format(n=name, v=value, e=extra)  # fmt: skip

    def text_special(self, node: Special) -> str:
        return SPECIALS[node.kind].format(n=node.name, v=self.expr(node.value), e=self.expr(node.extra))

    def text_effect(self, node: Effect) -> str:
        name, value = self.name(node.target), self.expr(node.value)
        if node.kind == "append":
            return f"{name}.append({value})"
        return f"{name}.mark = {value}" if node.kind == "attribute" else f"{name}['{node.name}'] = {value}"

    def text_registry(self, node: Registry) -> str:
        enter = {"list": "{n}.append((key, f))", "dict": "{n}[key] = f", "nested": "{n}.setdefault(key, []).append(f)"}
        kind = "[]" if node.style == "list" else "{}"
        return (
            f"{node.name} = {kind}\ndef register_{node.name}(key):\n    def enter(f):\n"
            f"        {enter[node.style].format(n=node.name)}\n        return f\n    return enter"
        )

    def text_wrapper(self, node: Wrapper) -> str:
        name, tag = node.name, self.expr(node.tag)
        if node.style == "attribute":
            return f"def {name}(f):\n    f.tag = {tag}\n    return f"
        if node.style == "class":
            return (
                f"class {name}:\n    def __init__(self, f):\n        functools.update_wrapper(self, f)\n        self.f = f\n"
                f"    def __call__(self, *args, **kwargs):\n        return ({tag}, self.f(*args, **kwargs))"
            )
        wraps = "@functools.wraps(f)\n    " if node.style != "plain" else ""
        shown = "tag" if node.style == "args" else tag
        inner = f"    {wraps}def inner(*args, **kwargs):\n        return ({shown}, f(*args, **kwargs))\n    return inner"
        if node.style == "args":
            return f"def {name}(tag, more={tag}):\n    def decorate(f):\n{textwrap.indent(inner, '    ')}\n    return decorate"
        return f"def {name}(f):\n{inner}"

    def text_function(self, node: Function) -> str:
        return self.function(node, "")

    def text_class(self, node: Class) -> str:
        self.owner = node
        heads = [self.decorator(decorator) for decorator in node.decorators]
        heads += ["@dataclass"] if node.style == "dataclass" else []
        brackets = [self.name(node.base)] if node.base is not None else []
        if node.keyword is not None and is_hooked(node, self.classes):
            brackets.append(f"key={self.expr(node.keyword)}")
        heads.append(f"class {node.name}({', '.join(brackets)}):" if brackets else f"class {node.name}:")
        body = [f'"""{node.doc}"""'] if node.doc else []
        body += [f"{field.name} = {self.expr(field.value)}" for field in node.attributes]
        body += self.fields(node) + self.hook(node)
        body += [self.function(method, "self") for method in node.methods]
        return "\n".join([*heads, textwrap.indent("\n".join(body or ["pass"]), "    ")])

    def fields(self, node: Class) -> list[str]:
        if node.style == "dataclass":
            first = [] if any(cls.style == "dataclass" for cls in ancestors(node, self.classes)) else ["x: object = 0"]
            return first + [f"{field.name}: object = {self.expr(field.value)}" for field in node.fields]
        return ["def __init__(self, x=0):\n    self.x = x"] if node.base is None else []

    def hook(self, node: Class) -> list[str]:
        if node.style != "hook":
            return []
        return [
            "seen = []",
            f"def __init_subclass__(cls, key=None, **rest):\n    super().__init_subclass__(**rest)\n"
            f"    {node.name}.seen.append((key, cls.__name__))",
        ]

    # -- functions ------------------------------------------------------------------------------------------

    def decorator(self, node: Decorator) -> str:
        if node.library:
            return f"@{node.library}"
        target = self.program.find(node.target.name)
        if isinstance(target, Registry):
            return f"@{self.bound(f'register_{target.name}', self.program.owner(target.name))}({self.expr(node.key)})"
        args = f"({self.expr(node.key)})" if target.style == "args" else ""
        return f"@{self.name(node.target)}{args}"

    def function(self, node: Function, first: str) -> str:
        heads = [self.decorator(decorator) for decorator in node.decorators]
        outer = {"static": "@staticmethod", "class": "@classmethod", "property": "@property",
                 "cached": "@functools.cached_property", "cm": "@contextlib.contextmanager"}.get(node.flavour)  # fmt: skip
        heads = [outer, *heads] if outer else heads
        first = {"static": "", "class": "cls"}.get(node.flavour, first)
        heads.append(f"{'async ' * (node.flavour in ASYNC)}def {node.name}({', '.join(self.params(node, first))}):")
        self.method = node
        local = any(step.kind == "import" for step in node.steps)
        self.inside = {} if local else None
        body = self.body(node)
        top = [f'"""{node.doc}"""'] if node.doc else []
        top += [f"from {owner} import {', '.join(sorted(names))}" for owner, names in sorted((self.inside or {}).items())]
        self.inside = None
        return "\n".join([*heads, textwrap.indent("\n".join([*top, *body]), "    ")])

    def params(self, node: Function, first: str) -> list[str]:
        found = [first] if first else []
        if node.flavour not in ("property", "cached"):
            found.append("x='x'")
        ordered = sorted(node.params, key=lambda param: param.keyword)
        for param in ordered:
            if param.keyword and "*" not in found:
                found.append("*")
            note = f": {param.annotation} = " if param.annotation else "="
            found.append(f"{param.name}{note}{self.expr(param.default)}")
        return found

    def body(self, node: Function) -> list[str]:
        lines, values = [], []
        for number, step in enumerate(node.steps):
            name = f"v{number}"
            if step.kind == "guard":
                lines.append(f"if x == 'boom':\n    raise ValueError({self.expr(step.value)})")
            elif step.kind != "import":
                values.append(name)
                lines += self.step(step, name)
        result = self.expr(node.result)
        result = f"({', '.join([result, *values])})" if values else result
        if node.flavour == "factory":
            return [*lines, f"def inner(y='y'):\n    return (y, {result})", "return inner"]
        if node.flavour in ("gen", "agen"):
            return [*lines, "yield x", f"yield {result}"]
        return [*lines, f"yield {result}" if node.flavour == "cm" else f"return {result}"]

    def step(self, step: Any, name: str) -> list[str]:
        if step.kind == "inner":
            return [f"def inner_{name}(y):\n    return (y, {self.expr(step.value)})", f"{name} = inner_{name}(x)"]
        if step.kind == "with":
            return [f"with {self.name(step.target)}('w') as {name}:\n    pass"]
        return [f"{name} = {self.expr(step.value)}"]
