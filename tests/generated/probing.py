"""What is taken before a swap and asked after it, as texts for the processes that the judge starts.

``look`` calls whatever can be called and gives values without addresses; ``say`` prints one line about an expression;
``hold`` keeps a reference; ``gone`` allows a reference to what was removed only to say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.generated.program import Class, Data, Effect, Function, Program, Registry, Special
from tests.generated.scope import container, fields_of

HELPERS = '''
import dataclasses, enum, functools, inspect, re, sys, traceback, types, warnings
warnings.simplefilter("ignore")  # coroutines that nobody awaits
held = {}
inside = set()
CHANGED = False  # what the program has added to a dict may stand before or behind what is new in the text

def run(coroutine):
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value

async def gather(source):
    return [item async for item in source]

def attempt(f, *args):
    try:
        return f(*args)
    except Exception as error:
        frames = [(frame.f_code.co_name, line) for frame, line in traceback.walk_tb(error.__traceback__)
                  if frame.f_code.co_filename.startswith(directory)]
        return f"{type(error).__name__}: {error}", frames

def facts(f):
    code = getattr(inspect.unwrap(f), "__code__", None)
    signature = attempt(lambda: re.sub(" at 0x[0-9a-f]+", "", str(inspect.signature(f))))
    named = [getattr(f, name, None) for name in ("__qualname__", "__module__", "__doc__")]
    marks = {k: look(v, 0) for k, v in vars(f).items() if k in ("tag", "mark")} if hasattr(f, "__dict__") else {}
    return (*named, signature, code and code.co_firstlineno, marks)

def members(obj, cls, deep):
    own = {name for base in cls.__mro__ if base.__module__ in PROGRAM for name in vars(base) if name[0] != "_"}
    return {name: look(attempt(getattr, obj, name), deep) for name in sorted(own)}

def look(value, deep=3):
    if id(value) in inside:
        return "..."  # something that contains itself
    inside.add(id(value))
    try:
        return see(value, deep)
    finally:
        inside.discard(id(value))

def see(value, deep):
    if isinstance(value, (list, tuple)):
        return tuple(look(item, deep) for item in value) if isinstance(value, tuple) else [look(item, deep) for item in value]
    if isinstance(value, dict):
        order = sorted(value.items(), key=repr) if CHANGED else value.items()
        return {key: look(item, deep) for key, item in order}
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if isinstance(value, types.ModuleType):
        return value.__name__
    if isinstance(value, re.Pattern):
        return value.pattern
    if isinstance(value, enum.Enum):
        return (str(value), look(value.value, deep), look(attempt(value.more), deep - 1))
    if deep < 0:
        return type(value).__name__ if type(value).__module__ in PROGRAM else repr(value)
    if isinstance(value, types.GeneratorType):
        return attempt(lambda: [look(item, deep - 1) for item in value])
    if isinstance(value, types.CoroutineType):
        return look(attempt(run, value), deep - 1)
    if isinstance(value, types.AsyncGeneratorType):
        return look(attempt(run, gather(value)), deep - 1)
    if hasattr(value, "__enter__"):
        with value as entered:
            return look(entered, deep - 1)
    if isinstance(value, type):
        own = sorted(name for name in vars(value) if name[0] != "_")
        if value.__module__ not in PROGRAM:
            return repr(value)
        doc = value.__doc__ and re.sub(" at 0x[0-9a-f]+", "", value.__doc__)
        shape = ([base.__qualname__ for base in value.__mro__], value.__module__, doc, own)
        notes = sorted(getattr(value, "__annotations__", {}))
        return (*shape, notes, members(value, value, 0), look(attempt(value, "i"), deep - 1))
    if type(value).__module__ in PROGRAM and not callable(value):
        kind = type(value)
        # without cached values and fields, which stay in an object when its class has them no more
        state = vars(value) if hasattr(value, "__dict__") else {"x": value.x}
        state = {name: look(item, deep - 1) for name, item in state.items() if name not in "abcrs"}
        shown = re.sub(" at 0x[0-9a-f]+", "", repr(value)) if dataclasses.is_dataclass(value) else ""
        return (kind.__name__, state if not shown else shown, members(value, kind, deep - 1))
    if callable(value):
        boom = attempt(value, "boom")
        return (facts(value), look(attempt(value), deep - 1), boom if "ValueError" in str(boom) else "")
    return value

def call(value):
    return look(attempt(value), 2) if callable(value) else look(value)

def say(text):
    try:
        value = repr(look(eval(text)))
    except Exception as error:
        value = f"{type(error).__name__}: {error}"
    print(text, "=", re.sub(" at 0x[0-9a-f]+", "", value))

def names(module):
    return sorted(name for name in vars(module) if name[0] != "_")

def shared():
    """Names of the program that are bound to one object."""
    found = {}
    for module in PROGRAM:
        for name, value in vars(sys.modules[module]).items():
            kinds = (list, dict, set, type, types.FunctionType)
            if name[0] != "_" and (isinstance(value, kinds) or type(value).__module__ in PROGRAM):
                found.setdefault(id(value), []).append(f"{module}.{name}")
    return sorted(group for group in map(sorted, found.values()) if len(group) > 1)

def hold(text, key=""):
    try:
        held[key or text] = eval(text)
    except Exception as error:
        held[key or text] = str(error)

def gone(text):
    if text not in held:
        return
    try:
        eval(text)
    except Exception:
        answer = attempt(held[text])
        if "RemovedError" not in str(answer):
            say(f"held[{text!r}]")
'''


def take(program: Program, first: Program, *, warm: bool = True) -> str:
    """Import the program, call everything once where ``warm``, and keep references.

    Args:
        program: the version that is started.
        first: version 1; objects are made with the fields that they have there.
        warm: fill all caches.
    """
    modules = tuple(module.name for module in program.modules)
    start = f"PROGRAM = {modules!r}\nimport {', '.join(modules)}"
    lines = [f'hold("{text}", "{key}")' for key, text in references(program, first).items()]
    early = [f"look({module.name}.{s.name})" for module, _, s in program.statements() if warm and _is_looked_at(s)]
    return "\n".join([HELPERS, start, *early, *lines]) + "\n"


def references(program: Program, first: Program) -> dict[str, str]:
    """References to hold: by key, the expression to evaluate."""
    found: dict[str, str] = {}
    classes = {statement.name: statement for _, _, statement in program.statements() if isinstance(statement, Class)}
    old = {statement.name: statement for _, _, statement in first.statements() if isinstance(statement, Class)}
    for module in program.modules:
        for node in (*module.statements, *filter(None, map(program.find, module.kept))):
            full = f"{module.name}.{node.name}"
            if isinstance(node, Class):
                both = set(fields_of(node, classes)) & (set(fields_of(old[node.name], old)) if node.name in old else set())
                found.update(_of_class(node, full, ", ".join(["'h'", *(f"{name}='{name}'" for name in sorted(both))])))
            elif isinstance(node, Function):
                found.update(_of_function(node, full))
            elif isinstance(node, Special):
                found.update(_of_special(node, full))
            elif container(node) in ("list", "dict") and not isinstance(node, Effect):
                found[full] = full
    return found


def _of_function(node: Function, full: str) -> Iterator[tuple[str, str]]:
    yield full, full
    if node.flavour == "factory":
        given = ", ".join(["'z'", *(f"{param.name}='{param.name}'" for param in node.params)])
        yield f"{full}()", f"{full}({given})"


def _of_special(node: Special, full: str) -> Iterator[tuple[str, str]]:
    if node.kind != "pattern":
        yield full, full
    held = {"enum": ".A", "error": "('h')", "nested": ".Inner", "slots": "('h')", "method": "()"}
    if node.kind in held:
        yield f"{full}()", full + held[node.kind]


def _of_class(node: Class, full: str, given: str) -> Iterator[tuple[str, str]]:
    yield full, full
    yield f"{full}()", f"{full}({given})"
    for method in node.methods:
        if method.flavour in ("func", "class", "static", "gen"):
            yield f"{full}().{method.name}", f"{full}({given}).{method.name}"


def _is_looked_at(node: object) -> bool:
    return isinstance(node, (Function, Class, Data, Registry, Special))


def probe(programs: list[Program]) -> str:
    """One text for all versions: what every name of any version is now, and what held references answer."""
    names: dict[str, None] = {}
    for program in programs:
        for module, _, statement in program.statements():
            if _is_looked_at(statement):
                names.setdefault(f"{module.name}.{statement.name}")
        for module in program.modules:
            names.update(dict.fromkeys(f"{module.name}.{name}" for name in module.kept))
    lines = [f'say("{name}")' for name in names]
    lines += [f"say(\"{_asked(key, programs)}\")" for key in references(programs[0], programs[0]) if _is_asked(key, programs)]
    for name in references(programs[0], programs[0]):
        if all(_identical(name, program) for program in programs):
            lines.append(f'say("held[\'{name}\'] is {name}")')
        if _may_go(name, programs):
            lines.append(f'gone("{name}")')
    for module in programs[0].modules:
        if all(program.module(module.name).statements for program in programs):
            lines.append(f'say("names({module.name})")')
    lines.append('say("shared()")')
    return "\n".join(lines) + "\n"


def _is_asked(key: str, programs: list[Program]) -> bool:
    """Left out is what holds a result of old code: a cached generator, which the first probe empties, a closure over a
    value that its factory has computed, and a method that was bound in another way (static, class) than now."""
    name, called, member = key.partition("(")
    found = [program.find(name.split(".")[1]) for program in programs]
    if not all(key in references(program, programs[0]) for program in programs):
        return False
    if member.startswith(")."):
        return len({_flavour_of(cls, member[2:]) for cls in found}) == 1
    if called:
        return not any(isinstance(s, Function) and {step.kind for step in s.steps} - {"guard", "import"} for s in found)
    return not any(map(_caches, found)) or len({getattr(s, "flavour", "") for s in found}) == 1


def _flavour_of(cls: Any, member: str) -> str:
    return next((method.flavour for method in cls.methods if method.name == member), "")


def _caches(statement: Any) -> bool:
    return any(decorator.library for decorator in getattr(statement, "decorators", ()))


def _asked(key: str, programs: list[Program]) -> str:
    """Only calls are compared where the held object cannot become the new one: a function that was moved (its globals
    are another module's) or got other decorators, an ``lru_cache`` object (its ``__wrapped__`` is made with it)."""
    name, _, member = key.partition("(")
    name = name.split(".")[1]
    found = [program.find(name) for program in programs]
    if member.startswith(")."):
        found = [next(method for method in cls.methods if method.name == member[2:]) for cls in found]
    moved = len({program.owner(name) for program in programs}) > 1
    wrapped = len({tuple(d.target for d in getattr(s, "decorators", ())) for s in found}) > 1
    return f"call(held['{key}'])" if moved or wrapped or any(map(_caches, found)) else f"held['{key}']"


def _identical(name: str, program: Program) -> bool:
    """Functions and classes keep their identity, except where a decorator makes another object of them."""
    statement = program.find(name.split(".")[1]) if name.count(".") == 1 and "(" not in name else None
    if not isinstance(statement, (Function, Class)) or name not in references(program, program):
        return False
    moved = any(statement.name in module.kept for module in program.modules)
    return not moved and not statement.decorators and getattr(statement, "flavour", "") != "cm"


def _may_go(name: str, programs: list[Program]) -> bool:
    """True for functions that are removed; a renamed one may follow to its successor."""
    statement = programs[0].find(name.split(".")[1]) if name.count(".") == 1 and "(" not in name else None
    if not isinstance(statement, Function) or statement.decorators or statement.flavour == "cm":
        return False
    everywhere = [other.name for program in programs for _, _, other in program.statements()]
    renamed = any(other.startswith(f"{statement.name}_n") for other in everywhere)
    return not renamed and any(not program.owner(statement.name) for program in programs)
