"""Settings of a run and the scope of what is managed.

Takes: a command line, the environment, ``[tool.hotswap]`` of the nearest pyproject.toml; in this order the first that
names a setting decides. Gives: :class:`Settings` and :class:`RunRequest`, plain values. May touch: files for reading.
Must not: import the command line library; the program's own process goes through here before it starts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs

from hotswap.errors import ConfigError
from hotswap.scope import Scope, upwards

__all__ = ["OPTIONS", "Option", "RunRequest", "Scope", "Settings", "load_settings", "make_scope", "parse_run"]

# ---------------------------------------------------------------------------------------------------------------------
# One table of settings: the command line, the environment, pyproject.toml and ``hotswap run --help`` read it
# ---------------------------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Option:
    """One setting.

    Attributes:
        name: the attribute of :class:`Settings`.
        flag: as written on the command line; ``--no-…`` sets the attribute to False.
        metavar: what a value is called in the help; empty for a switch.
        help: one line.
        is_list: several values may be given; else the last one counts.
    """

    name: str
    flag: str
    metavar: str = ""
    help: str = ""
    is_list: bool = True

    @property
    def env(self) -> str:
        return "HOTSWAP_" + self.name.upper()

    @property
    def key(self) -> str:
        return self.name.replace("_", "-")

    @property
    def value_when_given(self) -> bool:
        return not self.flag.startswith("--no-")


OPTIONS = (
    Option(name="watch", flag="--watch", metavar="PATH",
           help="Manage only files below PATH (a directory or a file; may be repeated, may lie in site-packages)."),
    Option(name="ignore", flag="--ignore", metavar="GLOB",
           help="Leave out files that match GLOB, in the syntax of .gitignore (may be repeated)."),
    Option(name="poll", flag="--poll", help="Look at the files in intervals instead of asking the system for events."),
    Option(name="restart", flag="--no-restart", help="Hold a change that needs a restart instead of restarting."),
    Option(name="json", flag="--json", help="Print one JSON line per report to stderr instead of a block for people."),
    Option(name="quiet", flag="--quiet", help="Print only what was not applied."),
    Option(name="failure_budget", flag="--failure-budget", metavar="N", is_list=False,
           help="Take a swap back by itself when more than N objects (or N%) cannot be converted."),
    Option(name="site_packages", flag="--site-packages", help="Manage installed packages too."),
)


@attrs.frozen(kw_only=True)
class Settings:
    """How ``hotswap run`` behaves; paths are absolute, globs are relative to ``base``."""

    watch: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    poll: bool = False
    restart: bool = True
    json: bool = False
    quiet: bool = False
    failure_budget: str = ""
    site_packages: bool = False
    base: str = attrs.field(factory=os.getcwd)

    @property
    def budget(self) -> Budget | None:
        return Budget.parse(self.failure_budget) if self.failure_budget else None


@attrs.frozen
class Budget:
    """How many objects may fail to be converted before their swap is taken back.

    Attributes:
        count: objects; None where a share was given.
        share: of all that the swap converts, from 0 to 1.
    """

    count: int | None = None
    share: float = 0.0

    @classmethod
    def parse(cls, value: int | str) -> Budget:
        """Read ``10`` or ``"1%"``.

        Raises:
            ConfigError: it is neither.
        """
        text = str(value).strip()
        try:
            found = cls(share=float(text[:-1]) / 100) if text.endswith("%") else cls(count=int(text))
        except ValueError:
            found = cls(count=-1)
        if (found.count if found.count is not None else found.share) < 0:
            raise ConfigError(f"failure-budget takes a number of objects or a share as 1%, not {value!r}")
        return found

    def is_exceeded(self, failed: int, total: int) -> bool:
        return failed > (self.count if self.count is not None else self.share * total)

    def __str__(self) -> str:
        return str(self.count) if self.count is not None else f"{self.share:.3%}"


@attrs.frozen(kw_only=True)
class RunRequest:
    """What the command line of ``hotswap run`` asks for.

    Attributes:
        kind: a script (a file, a directory or a zip file with a ``__main__``) or a module (``-m``).
        target: the path or the module's name, as typed.
        args: what the program gets after ``sys.argv[0]``.
        given: the settings that were on the command line.
    """

    kind: Literal["script", "module"]
    target: str
    args: tuple[str, ...] = ()
    given: Mapping[str, Any] = attrs.field(factory=dict)


def parse_run(argv: Sequence[str]) -> RunRequest:
    """Read the arguments after ``hotswap run``; all that follows the script or ``-m module`` is the program's own.

    Raises:
        ConfigError: an option is unknown or lacks its value, or there is nothing to run.
    """
    by_flag = {option.flag: option for option in OPTIONS}
    given: dict[str, Any] = {}
    rest = list(argv)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        if word.startswith("-m") and not word.startswith("--"):
            return _module_request(word[2:], rest, given)
        flag, equals, value = word.partition("=")
        option = by_flag.get(flag)
        if option is None:
            raise ConfigError(f"no such option: {flag}")
        if not option.metavar:
            if equals:
                raise ConfigError(f"{flag} takes no value")
            given[option.name] = option.value_when_given
        elif equals or rest:
            text = value if equals else rest.pop(0)
            given[option.name] = (*given.get(option.name, ()), text) if option.is_list else text
        else:
            raise ConfigError(f"{flag} needs a value: {flag} {option.metavar}")
    if not rest:
        raise ConfigError("nothing to run: give a script, or -m and a module")
    if rest[0] == "-":
        raise ConfigError("a program read from stdin has no file to watch: give a script")
    return RunRequest(kind="script", target=rest[0], args=tuple(rest[1:]), given=given)


def _module_request(attached: str, rest: list[str], given: Mapping[str, Any]) -> RunRequest:
    if not attached and not rest:
        raise ConfigError("-m needs the name of a module")
    name = attached or rest.pop(0)
    return RunRequest(kind="module", target=name, args=tuple(rest), given=given)


def make_scope(settings: Settings) -> Scope:
    """The scope that settings describe."""
    return Scope(watch=settings.watch, ignore=settings.ignore, site_packages=settings.site_packages, base=settings.base)


def load_settings(given: Mapping[str, Any] | None = None, *, cwd: str | None = None,
                  environ: Mapping[str, str] | None = None) -> Settings:
    """Merge the command line, the environment and pyproject.toml into one value.

    Args:
        given: settings from the command line or a caller, by name.
        cwd: where relative paths of the command line start; the process's own by default.
        environ: ``os.environ`` by default.

    Raises:
        ConfigError: a value is of the wrong kind, or pyproject.toml has a key that does not exist.
    """
    start = cwd or os.getcwd()
    merged: dict[str, Any] = {}
    for values, base in (_from_pyproject(start), (_from_environ(os.environ if environ is None else environ), start),
                         (dict(given or {}), start)):
        if "watch" in values:
            values["watch"] = tuple(os.path.join(base, os.path.expanduser(path)) for path in values["watch"])
        if "ignore" in values:
            values["base"] = base
        merged.update(values)
    merged.setdefault("base", start)
    for path in merged.get("watch", ()):
        if not os.path.exists(path):
            raise ConfigError(f"watch: {path} does not exist")
    if merged.get("failure_budget"):
        Budget.parse(merged["failure_budget"])  # an error is to be told now
    return Settings(**merged)


def _from_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for option in OPTIONS:  # what the command line calls --no-restart is easily taken for the name here
        if option.flag.startswith("--no-") and (wrong := f"HOTSWAP_NO_{option.name.upper()}") in environ:
            raise ConfigError(f"{wrong} is not known: say {option.env}=0")
    for option in OPTIONS:
        text = environ.get(option.env)
        if text is None:
            continue
        if not option.is_list:
            values[option.name] = text
        elif option.metavar:
            values[option.name] = tuple(part for part in text.split(os.pathsep) if part)
        elif text.lower() in ("1", "true", "yes", "on"):
            values[option.name] = True
        elif text.lower() in ("", "0", "false", "no", "off"):
            values[option.name] = False
        else:
            raise ConfigError(f"{option.env}={text}: takes 1 or 0")
    return values


def _from_pyproject(start: str) -> tuple[dict[str, Any], str]:
    """The table of the nearest pyproject.toml, and the directory that its paths are relative to."""
    for folder in upwards(start):
        path = os.path.join(folder, "pyproject.toml")
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            continue
        # Most projects have no such table: looking for its name first saves importing the parser at each start.
        return (_read_table(data, path), folder) if b"hotswap" in data else ({}, folder)
    return {}, start


def _read_table(data: bytes, path: str) -> dict[str, Any]:
    import tomllib

    try:
        table = tomllib.loads(data.decode()).get("tool", {}).get("hotswap", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    by_key = {option.key: option for option in OPTIONS}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            continue  # a table of a plugin
        option = by_key.get(key)
        if option is None:
            raise ConfigError(f"{path}: [tool.hotswap] has no setting {key!r}; it knows {', '.join(sorted(by_key))}")
        values[option.name] = _checked(option, value, path)
    return values


def _checked(option: Option, value: object, path: str) -> object:
    if not option.metavar:
        if isinstance(value, bool):
            return value
        raise ConfigError(f"{path}: [tool.hotswap] {option.key} takes true or false")
    if not option.is_list:
        if isinstance(value, (int, str)) and not isinstance(value, bool):
            return str(value)
        raise ConfigError(f"{path}: [tool.hotswap] {option.key} takes a number or a string")
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ConfigError(f"{path}: [tool.hotswap] {option.key} takes a list of strings")
