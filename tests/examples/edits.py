"""Random edits of the example, as texts: what a person changes in an hour, without knowing what for.

Each operator takes a text and gives another one, or None where it finds nothing to change. Some of the results are broken, in
the file or at the next request; a fresh start says what is right.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from random import Random

import attrs

TEMPLATES = tuple(f"shop/templates/shop/{name}.html" for name in ("base", "cart", "checkout", "product_detail", "product_list"))
#: Files, and how often they are chosen. Of models only methods are edited.
FILES = {
    "shop/views.py": 6, "shop/urls.py": 3, "shop/forms.py": 3, "shop/models.py": 3, "shop/pricing.py": 2, "shop/admin.py": 2,
    "shop/signals.py": 1, "shop/templatetags/shop_tags.py": 2, "shopsite/urls.py": 1, "shopsite/settings.py": 3,
    "shopsite/middleware.py": 2, **dict.fromkeys(TEMPLATES, 1),
}  # fmt: skip

Texts = Mapping[str, str]


@attrs.frozen
class Edit:
    """One save.

    Attributes:
        kind: the operator's name and the file.
        files: the new texts, by file.
    """

    kind: str
    files: Texts


def make_edit(random: Random, texts: Texts) -> Edit:
    """An edit that changes something.

    Args:
        texts: the program as it is, by file.
    """
    while True:
        file = random.choices(list(FILES), list(FILES.values()))[0]
        if file.endswith(".html"):
            operator = random.choice(TEMPLATE_OPERATORS)
            made: Texts | None = _one(file, operator(random, texts[file]))
        elif random.random() < 0.1:
            operator, made = rename, rename(random, texts, file)
        else:
            operator = random.choice([*OPERATORS, *[set_setting] * 8] if file.endswith("settings.py") else OPERATORS)
            made = _one(file, operator(random, Source(texts[file], is_model=file == "shop/models.py")))
        if made and any(texts.get(name) != text for name, text in made.items()):
            return Edit(f"{operator.__name__} in {file}", made)


def _one(file: str, text: str | None) -> Texts | None:
    return None if text is None else {file: text}


# ---- Python ----


class Source:
    """A text with its tree; places count in bytes, as the tree's do."""

    def __init__(self, text: str, *, is_model: bool) -> None:
        self.data = text.encode()
        self.tree = ast.parse(text)
        self._lines = [0, *[found.end() for found in re.finditer(rb"\n", self.data)]]
        self.is_model = is_model

    def nodes(self) -> Iterator[ast.AST]:
        """What may be edited: all, but of models only what is in methods."""
        if not self.is_model:
            yield from ast.walk(self.tree)
            return
        for each in ast.walk(self.tree):
            if isinstance(each, ast.FunctionDef):
                yield from ast.walk(each)

    def strings(self) -> list[ast.Constant]:
        """Without docstrings, and without the parts of f-strings."""
        inside = {id(part) for node in ast.walk(self.tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
        told = {id(node.value) for node in ast.walk(self.tree) if isinstance(node, ast.Expr)}
        nodes = [node for node in self.nodes() if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        return [node for node in nodes if id(node) not in inside | told]

    def span(self, node: ast.AST) -> tuple[int, int]:
        start = self._lines[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        return start, self._lines[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def segment(self, node: ast.AST) -> str:
        start, end = self.span(node)
        return self.data[start:end].decode()

    def replace(self, *changes: tuple[ast.AST, str]) -> str:
        """The text with other texts in the places of some nodes, none of which is inside of another."""
        data = self.data
        for node, text in sorted(changes, key=lambda change: -self.span(change[0])[0]):
            start, end = self.span(node)
            data = data[:start] + text.encode() + data[end:]
        return data.decode()

    def insert(self, line: int, text: str) -> str:
        """The text with more lines in front of one."""
        place = self._lines[line - 1]
        return (self.data[:place] + text.encode() + self.data[place:]).decode()

    def functions(self) -> list[ast.FunctionDef]:
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)]


def string(random: Random, source: Source) -> str | None:
    if not (found := source.strings()):
        return None
    node = random.choice(found)
    word = str(node.value)
    return source.replace((node, repr(random.choice([f"{word} 2", f"{word}x", word[:-1], word.title()]))))


def formatted(random: Random, source: Source) -> str | None:
    found = [node for node in source.nodes() if isinstance(node, ast.JoinedStr)]
    if not found:
        return None
    node = random.choice(found)
    text = source.segment(node)
    return source.replace((node, f"{text[:-1]} {random.choice(['new', 'more', '{1 + 1}'])}{text[-1]}"))


def constant(random: Random, source: Source) -> str | None:
    found = [node for node in source.nodes() if isinstance(node, ast.Constant) and isinstance(node.value, int | float)]
    if not found:
        return None
    node = random.choice(found)
    value = node.value
    return source.replace((node, repr(not value if isinstance(value, bool) else value + random.choice([1, 2, 40]))))


def element(random: Random, source: Source) -> str | None:
    """An element of a list or tuple goes, comes twice, or changes places with another one."""
    found = [node for node in source.nodes() if isinstance(node, ast.List | ast.Tuple) and len(node.elts) > 1]
    found = [node for node in found if isinstance(node.ctx, ast.Load)]
    if not found:
        return None
    node = random.choice(found)
    one, other = random.sample(node.elts, 2)
    match random.randrange(3):
        case 0:
            return source.replace((one, source.segment(other)), (other, source.segment(one)))
        case 1:
            return source.replace((one, f"{source.segment(one)}, {source.segment(one)}"))
        case _:
            kept = [source.segment(each) for each in node.elts if each is not one]
            inner = ", ".join(kept) + ","
            return source.replace((node, f"[{inner}]" if isinstance(node, ast.List) else f"({inner})"))


def keyword(random: Random, source: Source) -> str | None:
    """An argument with a name goes."""
    calls = [node for node in source.nodes() if isinstance(node, ast.Call) and any(each.arg for each in node.keywords)]
    if not calls:
        return None
    call = random.choice(calls)
    gone = random.choice([each for each in call.keywords if each.arg])
    parts = [source.segment(each) for each in (*call.args, *call.keywords) if each is not gone]
    return source.replace((call, f"{source.segment(call.func)}({', '.join(parts)})"))


def less(random: Random, source: Source) -> str | None:
    """A statement in a function goes."""
    found = [node for function in source.functions() for node in ast.walk(function) if isinstance(node, ast.stmt)]
    found = [node for node in found if not isinstance(node, ast.FunctionDef)]
    return source.replace((random.choice(found), "pass")) if found else None


def more(random: Random, source: Source) -> str | None:
    """A statement comes into a function."""
    if not (found := source.functions()):
        return None
    first = random.choice(found).body[0]
    line = random.choice(["note = 1", "assert True", "import math", "if not 1:\n{}    raise ValueError"])
    space = " " * first.col_offset
    return source.insert(first.lineno, f"{space}{line.format(space)}\n")


def method(random: Random, source: Source) -> str | None:
    """A method comes into a class, or stands in for what its bases give."""
    classes = [node for node in source.tree.body if isinstance(node, ast.ClassDef)]
    functions = [each for node in classes for each in node.body if isinstance(each, ast.FunctionDef) and not each.decorator_list]
    if not functions:
        return None
    name = random.choice(["extra", "__len__" if source.is_model else "more", "__str__"])
    value = random.choice(["1", "'some'"])
    return source.insert(random.choice(functions).lineno, f"    def {name}(self):\n        return {value}\n\n")


def function(random: Random, source: Source) -> str | None:
    """A function comes, at the end or in front of another."""
    places = [node.lineno for node in source.tree.body if isinstance(node, ast.FunctionDef) and not node.decorator_list]
    line = random.choice([*places, len(source.data.decode().splitlines()) + 1])
    return source.insert(line, f"def helper_{random.randrange(100)}(request=None):\n    return 'help'\n\n\n")


def comment(random: Random, source: Source) -> str | None:
    """Lines that mean nothing move all that stands below."""
    node = random.choice(source.tree.body)
    line = min([node.lineno, *[each.lineno for each in getattr(node, "decorator_list", [])]])
    return source.insert(line, f"# {random.randrange(100)}\n" * random.randint(1, 3))


def decorator(random: Random, source: Source) -> str | None:
    """A decorator goes."""
    decorated = [node for node in source.nodes() if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.decorator_list]
    if not decorated:
        return None
    gone = random.choice(random.choice(decorated).decorator_list)
    lines = source.data.decode().splitlines(keepends=True)
    return "".join(lines[: gone.lineno - 1] + lines[gone.end_lineno :])


def order(random: Random, source: Source) -> str | None:
    """Two neighbours among classes and functions change places."""
    body = source.tree.body
    pairs = [(one, other) for one, other in zip(body, body[1:], strict=False) if _is_plain(one) and _is_plain(other)]
    if not pairs:
        return None
    one, other = random.choice(pairs)
    return source.replace((one, source.segment(other)), (other, source.segment(one)))


def _is_plain(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.decorator_list


def rename(random: Random, texts: Texts, file: str) -> Texts | None:
    """A function or class gets another name, in all files that use it."""
    body = ast.parse(texts[file]).body
    names = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    if not names or file == "shop/models.py":  # a model's name is that of its table
        return None
    name = random.choice(names)
    made = {each: re.sub(rf"\b{name}\b", f"{name}_b", text) for each, text in texts.items()}
    return {each: text for each, text in made.items() if text != texts[each]}


OPERATORS = (
    string, string, formatted, constant, element, element, keyword, less, more, method, function, comment, decorator, order,
)  # fmt: skip

SETTINGS = (
    "DEBUG = False", "LANGUAGE_CODE = 'de'", "TIME_ZONE = 'Europe/Berlin'", "USE_TZ = False", "APPEND_SLASH = False",
    "X_FRAME_OPTIONS = 'SAMEORIGIN'", "STATIC_URL = 'files/'", "DATE_FORMAT = 'Y'", "SESSION_COOKIE_NAME = 'crumbs'",
    "USE_THOUSAND_SEPARATOR = True", "CSRF_COOKIE_NAME = 'token'", "LANGUAGES = [('de', 'Deutsch')]", "SECRET_KEY = 'another'",
    "SECURE_REFERRER_POLICY = 'no-referrer'", "ALLOWED_HOSTS = ['127.0.0.1', 'shop']", "OWN = 'own'", "FORCE_SCRIPT_NAME = '/x'",
    "INSTALLED_APPS = [*INSTALLED_APPS]", "INSTALLED_APPS += ['django.contrib.humanize']", "FORMAT_MODULE_PATH = None",
    "MIDDLEWARE = MIDDLEWARE[:-1]", "MIDDLEWARE = list(MIDDLEWARE)",
    "TEMPLATES[0]['OPTIONS']['string_if_invalid'] = 'missing'",
)  # fmt: skip


def set_setting(random: Random, source: Source) -> str | None:
    text = source.data.decode()
    if "# later" in text and random.random() < 0.4:
        return text[: text.index("# later")].rstrip() + "\n"
    return f"{text}{random.choice(SETTINGS)}  # later\n"


# ---- templates ----


LINES = (
    "<p>{{ title|upper }}</p>", "<i>{{ currency|default:'none' }}</i>", "{{ lines|length }}", "{% url 'catalogue' %}",
    "{{ request.path }}", "{% if debug %}debug{% endif %}", "{{ product.label }}", "{% url 'missing' %}", "{{ 1234567.891 }}",
    "{% for product in products %}{{ product }}{% endfor %}",
)  # fmt: skip


def text_of_line(random: Random, text: str) -> str | None:
    found = list(re.finditer(r">([^<>{}\n]+)<", text))
    if not found:
        return None
    match = random.choice(found)
    return text[: match.end(1)] + f" {random.randrange(100)}" + text[match.end(1) :]


def line_less(random: Random, text: str) -> str | None:
    lines = text.splitlines(keepends=True)
    free = [number for number, line in enumerate(lines) if not re.search(r"{% *(extends|load|block|end|for|if|empty)", line)]
    del lines[random.choice(free if free and random.random() < 0.9 else range(len(lines)))]
    return "".join(lines)


def line_more(random: Random, text: str) -> str | None:
    lines = text.splitlines(keepends=True)
    place = random.randrange(len(lines)) + 1
    line = random.choice(LINES)
    return "".join([*lines[:place], line + "\n", *lines[place:]])


def line_twice(random: Random, text: str) -> str | None:
    lines = text.splitlines(keepends=True)
    place = random.randrange(len(lines))
    return "".join([*lines[:place], lines[place], *lines[place:]])


TEMPLATE_OPERATORS = (text_of_line, text_of_line, line_less, line_more, line_more, line_twice)
