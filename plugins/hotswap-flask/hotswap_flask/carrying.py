"""What extensions have put into an application: into the one that is made aside, so that the live one keeps it.

The statement that hands an application to an extension is not run again: it would change the extension, too. So what that has
registered goes over as it is, as long as nobody has to know when it came.

    put there by a function of a library            goes over                    refused (HS206)
    a filter, test or global of Jinja, a command    under its name               the text has another one now
    a view with its rules                           behind those of the text     a rule that comes fits as well as one of these
    an error handler                                for its error                the text has one for that
    functions around requests                       at their places              others come in the same row
    an attribute, an entry of ``app.extensions``    stays
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

import attrs

from hotswap.model import Finding, Severity
from hotswap.plugin import Refusal
from hotswap.plugin.keepers import Description
from hotswap_flask import describe

_FUNCTIONS = (FunctionType, MethodType)


@attrs.define(eq=False)
class Carrying:
    """One application that is filled anew.

    Attributes:
        what: for a person.
        live, staged: the application, and the one that was made aside.
        before: what the old texts make.
        is_managed: whether a module is one of the program.
        lines: what has gone over, or stays, as it is described.
        kept: attributes that stay.
    """

    what: str
    live: Any
    staged: Any
    before: Description
    is_managed: Callable[[str], bool]
    lines: list[str] = attrs.Factory(list)
    kept: set[str] = attrs.Factory(set)
    _known: Counter[str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._known = Counter(self.before.made)

    def carry(self) -> None:
        """Put all of it into the application that was made aside.

        Raises:
            Refusal: somebody would have to know when it came.
        """
        self._keep_attributes()
        self._carry_hooks()
        self._carry_handlers()
        self._carry_views()
        self._carry_commands()
        self._carry_jinja()

    def _is_foreign(self, line: str, value: Any) -> bool:
        """True for a function of a library that the texts have not put there."""
        return not self._known[line] and isinstance(value, _FUNCTIONS) and not self.is_managed(str(value.__module__))

    def _keep_attributes(self) -> None:
        self.kept = {name for name in describe.list_attributes(self.live) if not self._known[describe.attribute_line(name)]}
        self.lines += map(describe.attribute_line, self.kept)
        if both := sorted(self.kept & vars(self.staged).keys()):
            raise self._refused(f"{describe.attribute_line(both[0])} has the place of what the text makes")
        self.lines += [line for name in self.live.extensions if not self._known[line := f"extension {name}"]]

    # ---- functions around requests, in rows ----

    def _carry_hooks(self) -> None:
        for row in describe.LISTS:
            self._carry_row(row, None, getattr(self.live, row), getattr(self.staged, row))
        for row in describe.TABLES:
            live, staged = getattr(self.live, row), getattr(self.staged, row)
            for scope, functions in list(live.items()):
                self._carry_row(row, scope, functions, staged[scope])

    def _carry_row(self, row: str, scope: str | None, live: list[Any], staged: list[Any]) -> None:
        lines = [(describe.hook_line(row, scope, function), function) for function in live]
        foreign = [line for line, function in lines if self._is_foreign(line, function)]
        if not foreign:
            return
        mine = {describe.hook_line(row, scope, function): function for function in staged}
        if [*mine] != [line for line, _ in lines if line in mine]:
            raise self._refused(f"{foreign[0]} is in a row to which others come")
        staged[:] = [mine.get(line, function) for line, function in lines if line in mine or line in foreign]
        self.lines += foreign

    # ---- what is found by its name ----

    def _carry_handlers(self) -> None:
        for scope, codes in list(self.live.error_handler_spec.items()):
            for code, handlers in list(codes.items()):
                for error, function in list(handlers.items()):
                    line = describe.handler_line(scope, code, error, function)
                    if self._is_foreign(line, function):
                        self._put(self.staged.error_handler_spec[scope][code], error, function, line)

    def _carry_commands(self) -> None:
        for name, command in list(self.live.cli.commands.items()):
            line = describe.command_line(name, command)
            if self._is_foreign(line, getattr(command.callback, "__wrapped__", command.callback)):
                self._put(self.staged.cli.commands, name, command, line)

    def _carry_jinja(self) -> None:
        """Its environment stays as a whole, where no text has put anything into it."""
        for table, name, value in list(describe.jinja_items(self.live)):
            line = describe.jinja_line(table, name, value)
            if self._known[line] or self.is_managed(str(getattr(value, "__module__", ""))):
                continue
            if "jinja_env" in vars(self.staged):
                self._put(getattr(self.staged.jinja_env, table), name, value, line)
            elif not any(known.startswith("jinja ") for known in self.before.made):
                self.lines.append(line)

    def _put(self, table: dict[Any, Any], key: Any, value: Any, line: str) -> None:
        if key in table:
            raise self._refused(f"{line} has the place of what the text makes")
        table[key] = value
        self.lines.append(line)

    # ---- views and their rules ----

    def _carry_views(self) -> None:
        found = {endpoint: (describe.view_line(endpoint, view), view) for endpoint, view in self.live.view_functions.items()}
        views = {endpoint: (line, view) for endpoint, (line, view) in found.items() if self._is_foreign(line, view)}
        coming = {_shape(rule) for rule in self.staged.url_map.iter_rules() if not self._known[describe.rule_line(rule)]}
        for endpoint, (line, view) in views.items():
            self._put(self.staged.view_functions, endpoint, view, line)
        for rule in [rule for rule in self.live.url_map.iter_rules() if rule.endpoint in views]:
            line = describe.rule_line(rule)
            if _shape(rule) in coming:
                raise self._refused(f"{line} fits as well as one that comes")
            self.staged.url_map.add(rule.empty())
            self.lines.append(line)
        for name in {endpoint.rpartition(".")[0] for endpoint in views} & self.live.blueprints.keys():
            self._put(self.staged.blueprints, name, self.live.blueprints[name], f"blueprint {name}")

    def _refused(self, why: str) -> Refusal:
        message = f"{self.what} would be filled anew, and an extension has put into it what only a start can place: {why}"
        return Refusal(Finding(code="HS206", severity=Severity.HELD, message=message, next_step="restart"))


def _shape(rule: Any) -> tuple[Any, ...]:
    """Of rules of one shape, which fit equally well, the first counts."""
    return tuple((part.static, part.content if part.static else str(part.weight)) for part in rule._parts)
