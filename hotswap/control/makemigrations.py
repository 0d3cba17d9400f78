"""``hotswap makemigrations``: what has changed in the classes of a package is written as migrations with both directions.

    field with a value          add(...); a stub, add(..., ...), where nobody knows it
    field gone                  drop(...)
    field or class renamed      rename(...), renamed_from=...
    value that needs the state  a function, and its way back
"""

from __future__ import annotations

import ast
import builtins
import importlib
import os
import sys
from collections.abc import Mapping

import click

from hotswap.control.shapes import Ask, Change, Comparison, find_views
from hotswap.errors import DeclarationError, FileError, HotswapError
from hotswap.history import read_history, write_history
from hotswap.hooks import NAME, load_migrations
from hotswap.migrations import REGISTRY

__all__ = ["makemigrations"]


def write_change(change: Change) -> str:
    """The text of a file with the migration for a change."""
    lines = ["from hotswap import migrate"]
    was = f", renamed_from={change.renamed_from!r}" if change.renamed_from else ""
    texts = {name: "..." if text is None else text for name, text in change.added.items()}
    if any(_names_in(text) for text in texts.values()):
        return "\n".join([*lines, *_write_hook(change, texts, was)]) + "\n"
    steps = [f"rename({old!r}, {new!r})" for old, new in change.renamed.items()]
    steps += [f"add({name!r}, {_as_argument(text)})" for name, text in texts.items()]
    steps += [f"drop({name!r})" for name in change.gone]
    if used := [name for name in ("add", "drop", "rename") if any(step.startswith(name) for step in steps)]:
        lines.append(f"from hotswap.migrations import {', '.join(used)}")
    body = [f"        {step}," for step in steps]
    lines += ["", "migrate(", f"    {change.target!r}, {change.frm}{was},", "    steps=[", *body, "    ],", ")"]
    return "\n".join(lines) + "\n"


def _write_hook(change: Change, texts: Mapping[str, str], was: str) -> list[str]:
    name = change.file.removesuffix(".py")
    up = [f"    state[{new!r}] = state.pop({old!r})" for old, new in change.renamed.items()]
    up += [f"    state[{field!r}] = {text}" for field, text in texts.items()]
    up += [f"    state.pop({field!r}, None)  # kept aside, and back after a rollback" for field in change.gone]
    down = [f"    state.pop({field!r}, None)" for field in texts]
    down += [f"    state[{old!r}] = state.pop({new!r})" for old, new in change.renamed.items()]
    return ["", "", f"@migrate({change.target!r}, {change.frm}{was})", f"def {name}(state):", *up, "", "", f"@{name}.down",
            "def _(state):", *down]  # fmt: skip


def _names_in(text: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id not in vars(builtins) for node in ast.walk(ast.parse(text)))


def _as_argument(text: str) -> str:
    """Immutable values are shared; anything else is made for each object."""
    try:
        value = ast.literal_eval(text)
    except ValueError:
        empty = text.endswith("()") and text[:-2].isidentifier()
        return f"factory={text[:-2]}" if empty else f"factory=lambda: {text}"
    return f"factory=lambda: {text}" if type(value) in (list, dict, set, bytearray) else text


# ---- the command ----


@click.command()
@click.argument("packages", nargs=-1, required=True)
@click.option("--check", is_flag=True, help="Write nothing; end with 1 where something would be written or is not finished.")
@click.option("--no-input", is_flag=True, help="Ask nothing: what was not said with --rename and --default becomes a stub.")
@click.option("renames", "--rename", multiple=True, metavar="CLASS.OLD=NEW",
              help="A field (pkg.mod:Class.old=new) or a class (pkg.mod:Old=pkg.mod:New) that was renamed.")
@click.option("defaults", "--default", multiple=True, metavar="CLASS.FIELD=EXPRESSION",
              help="The value of a new field for objects from before; state is the object's.")
def makemigrations(
    packages: tuple[str, ...], check: bool, no_input: bool, renames: tuple[str, ...], defaults: tuple[str, ...]
) -> None:
    """Compare the classes of PACKAGES with their recorded versions, and write migrations for what has changed.

    They are written into PACKAGE/hotswap_migrations, with the history file that belongs under version control.
    """
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    ask: Ask = (lambda question: "") if no_input or check else _prompt
    try:
        done = [_make(package, check, ask, _pairs(renames), _pairs(defaults)) for package in packages]
    except HotswapError as error:
        click.echo(f"hotswap makemigrations: {error}", err=True)
        sys.exit(2)
    sys.exit(0 if all(done) else 1)


def _prompt(question: str) -> str:
    return str(click.prompt(question, default="", show_default=False, prompt_suffix=" "))


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or ":" not in name:
            raise DeclarationError(f"{text!r} is not of the form module:Class.field=value")
        found[name] = value
    return found


def _make(package: str, check: bool, ask: Ask, renames: dict[str, str], defaults: dict[str, str]) -> bool:
    """True where nothing is left to do for a person."""
    try:
        module = importlib.import_module(package)
    except ImportError as error:
        raise HotswapError(f"{package} cannot be imported: {error}; run it where python -c 'import {package}' works") from error
    load_migrations(package)
    folder = os.path.join(os.path.dirname(module.__file__ or ""), NAME)
    if os.path.exists(f"{folder}.py"):
        raise FileError(f"{folder}.py is a module; make it a package ({NAME}/__init__.py), so that files can be added to it")
    comparison = Comparison(read_history(folder), ask, renames, defaults)
    comparison.run(find_views(package))
    unfinished = [m.describe() for m in REGISTRY.table.values() if any(not step.is_finished for step in m.steps)]
    for text in unfinished:
        click.echo(f"not finished: {text}")
    if not comparison.changes and not comparison.news:
        click.echo(f"{package}: nothing has changed")
        return not unfinished
    for line in [*comparison.news, *(change.describe() for change in comparison.changes)]:
        click.echo(line)
    if check:
        click.echo(f"{package}: run hotswap makemigrations {package}, and commit what it writes")
        return False
    _write(folder, comparison)
    return not unfinished and all(change.is_finished for change in comparison.changes)


def _write(folder: str, comparison: Comparison) -> None:
    paths = {os.path.join(folder, change.file): change for change in comparison.changes}
    if there := [path for path in paths if os.path.exists(path)]:
        raise FileError(f"{', '.join(there)} is there already, but leads from no recorded version; rename or remove it")
    os.makedirs(folder, exist_ok=True)
    init = os.path.join(folder, "__init__.py")
    if not os.path.exists(init):
        with open(init, "w", encoding="utf-8"):
            pass
    for path, change in paths.items():
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(write_change(change))
        click.echo(f"wrote {os.path.relpath(path)}" + ("" if change.is_finished else ": put in the values that are ..."))
    write_history(folder, comparison.history)
