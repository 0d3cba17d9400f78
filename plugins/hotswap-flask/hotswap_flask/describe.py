"""What is in an application or a blueprint, in plain words: to tell what the program itself has put there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from hotswap.plugin.keepers import Description, name_of, plain

#: With these the entries begin that stand in ``app.config`` and in ``app.json``.
CONFIG, JSON = "config.", "json."
#: What an application notes while it serves.
COMPUTED = frozenset({"_got_first_request", "_got_registered_once", "name", "logger"})
_ATOMS = (type(None), bool, int, float, str, bytes)
#: Attributes that are rows of functions.
LISTS = ("url_build_error_handlers", "teardown_appcontext_funcs", "shell_context_processors")
#: The same by name of a blueprint, None for all.
TABLES = (
    "before_request_funcs", "after_request_funcs", "teardown_request_funcs", "template_context_processors",
    "url_value_preprocessors", "url_default_functions",
)  # fmt: skip
#: What Flask itself puts into the environment of Jinja.
_OF_FLASK = frozenset({"url_for", "get_flashed_messages", "config", "request", "session", "g"})


def describe(keeper: Any) -> Description:
    """An application, or a blueprint."""
    lines = [*_rules(keeper), *_views(keeper), *_hooks(keeper), *_deferred(keeper), *_commands(keeper), *jinja_lines(keeper)]
    lines += [f"blueprint {name}" for name in getattr(keeper, "blueprints", ())]
    lines += [f"extension {name}" for name in getattr(keeper, "extensions", ())]
    lines += [attribute_line(name) for name in list_attributes(keeper)]
    return Description(made=tuple(lines), entries=dict(_entries(keeper)))


def _entries(keeper: Any) -> Iterator[tuple[str, Any]]:
    for name, value in list(vars(keeper).items()):
        if type(value) in _ATOMS and name not in COMPUTED:
            yield name, value
    yield from ((f"{CONFIG}{name}", plain(value)) for name, value in list(getattr(keeper, "config", {}).items()))
    provider = getattr(keeper, "json", None)
    yield from ((f"{JSON}{name}", plain(value)) for name, value in vars(provider).items() if name != "_app") if provider else ()


def list_attributes(keeper: Any) -> list[str]:
    """The names of attributes that are no plain values, but for what an application computes when it is asked."""
    kind, state = type(keeper), vars(keeper)
    names = (name for name, value in list(state.items()) if type(value) not in _ATOMS and name not in COMPUTED)
    return [name for name in names if not hasattr(getattr(kind, name, None), "__get__") or callable(getattr(kind, name))]


def attribute_line(name: str) -> str:
    return f"attribute {name}"


def rule_line(rule: Any) -> str:
    methods = ",".join(sorted(rule.methods or ()))
    more = [str(part) for part in (rule.subdomain, rule.host, plain(rule.defaults)) if part]
    return " ".join(("rule", rule.rule, methods, rule.endpoint, *more))


def _rules(keeper: Any) -> Iterator[str]:
    url_map = getattr(keeper, "url_map", None)
    yield from map(rule_line, url_map.iter_rules() if url_map is not None else ())
    yield from (f"converter {name} ({name_of(kind)})" for name, kind in url_map.converters.items()) if url_map is not None else ()


def _views(keeper: Any) -> Iterator[str]:
    yield from (view_line(endpoint, view) for endpoint, view in list(keeper.view_functions.items()))


def view_line(endpoint: str, view: Any) -> str:
    return f"view {endpoint} ({_function(view)})"


def _function(function: Any) -> str:
    return name_of(getattr(function, "view_class", function))


def _hooks(keeper: Any) -> Iterator[str]:
    for name in LISTS:
        yield from (hook_line(name, None, function) for function in getattr(keeper, name, ()))
    for name in TABLES:
        for scope, functions in list(getattr(keeper, name).items()):
            yield from (hook_line(name, scope, function) for function in functions)
    for scope, codes in list(keeper.error_handler_spec.items()):
        for code, handlers in list(codes.items()):
            yield from (handler_line(scope, code, error, function) for error, function in list(handlers.items()))


def hook_line(row: str, scope: str | None, function: Any) -> str:
    return f"{row} {scope or ''} ({_function(function)})"


def handler_line(scope: str | None, code: int | None, error: Any, function: Any) -> str:
    return f"handler {scope or ''} {code or ''} {name_of(error)} ({_function(function)})"


def _deferred(keeper: Any) -> Iterator[str]:
    """What a blueprint will do when it is registered: closures, told by what is in them."""
    for function in getattr(keeper, "deferred_functions", ()):
        inside = [_brief(cell.cell_contents) for cell in getattr(function, "__closure__", None) or ()]
        yield f"deferred {name_of(function)} {inside}"
    for blueprint, options in getattr(keeper, "_blueprints", ()):
        yield f"blueprint {blueprint.name} {plain(options)}"


def _brief(value: Any) -> str:
    if type(value) is dict:
        return str({key: _brief(item) for key, item in value.items()})
    return str(value) if type(value) in (*_ATOMS, list, tuple) else _function(value) if callable(value) else type(value).__name__


def _commands(keeper: Any) -> Iterator[str]:
    yield from (command_line(name, command) for name, command in list(keeper.cli.commands.items()))


def command_line(name: str, command: Any) -> str:
    return f"command {name} ({name_of(getattr(command.callback, '__wrapped__', command.callback))})"


def jinja_lines(keeper: Any) -> list[str]:
    return [jinja_line(*item) for item in jinja_items(keeper)]


def jinja_line(table: str, name: str, value: Any) -> str:
    return f"jinja {table} {name} ({_brief(value)})"


def jinja_items(keeper: Any) -> Iterator[tuple[str, str, Any]]:
    """What is in the environment of Jinja besides what Jinja and Flask put there; nothing where it has not been made."""
    env, jinja = vars(keeper).get("jinja_env"), sys.modules.get("jinja2.defaults")
    known = {"filters": "DEFAULT_FILTERS", "tests": "DEFAULT_TESTS", "globals": "DEFAULT_NAMESPACE"}
    for table, own in known.items() if env is not None else ():
        for name, value in list(getattr(env, table).items()):
            if getattr(jinja, own).get(name) is not value and not (table == "globals" and name in _OF_FLASK):
                yield table, name, value
