"""The programs that are replayed: packages of pure Python, each with releases that follow one another.

Chosen for being widely used, of different kinds, and because their source archives carry tests. None of them may be something
that hotswap, pytest or a peer needs to do its own work in the same process.
"""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Package:
    """One program.

    Attributes:
        name: of the distribution.
        kind: what it is for.
        releases: versions that follow one another, oldest first; each pair of neighbours is a step.
        modules: top-level modules and packages that it consists of.
        tests: files and directories in the archive that pytest is given.
        args: further arguments for pytest.
    """

    name: str
    kind: str
    releases: tuple[str, ...] = attrs.field(converter=lambda text: tuple(text.split()))
    modules: tuple[str, ...] = attrs.field(converter=lambda text: tuple(text.split()))
    tests: tuple[str, ...] = attrs.field(default="tests", converter=lambda text: tuple(text.split()))
    args: tuple[str, ...] = ()

    @property
    def steps(self) -> list[tuple[str, str]]:
        return list(zip(self.releases, self.releases[1:], strict=False))


PACKAGES = (
    Package(name="pyparsing", kind="parser", releases="3.2.3 3.2.5 3.3.0 3.3.2 3.3.3", modules="pyparsing",
            tests="tests/test_simple_unit.py tests/test_util.py tests/test_matplotlib_cases.py"),
    Package(name="sqlparse", kind="parser", releases="0.5.1 0.5.2 0.5.3 0.5.4 0.5.5 0.6.0 0.6.1", modules="sqlparse"),
    Package(name="lark", kind="parser", releases="1.1.8 1.1.9 1.2.1 1.2.2 1.3.0 1.3.1", modules="lark"),
    Package(name="tomlkit", kind="parser", releases="0.13.2 0.13.3 0.14.0 0.15.0 0.15.1 0.15.2", modules="tomlkit"),
    Package(name="mistune", kind="markup", releases="3.2.1 3.3.0 3.3.1 3.3.3 3.3.4 3.4.0", modules="mistune",
            args=("-k", "not near_linear")),  # these look at the clock
    Package(name="markdown", kind="markup", releases="3.10 3.10.1 3.10.2 3.11 3.11.2 3.11.3", modules="markdown"),
    Package(name="jinja2", kind="templating", releases="3.1.2 3.1.3 3.1.4 3.1.5 3.1.6", modules="jinja2"),
    Package(name="mako", kind="templating", releases="1.3.9 1.3.10 1.3.11 1.3.12 1.4.1 1.4.3", modules="mako", tests="test"),
    Package(name="werkzeug", kind="web", releases="3.1.4 3.1.5 3.1.6 3.1.7 3.1.8 3.1.9", modules="werkzeug",
            args=("--ignore=tests/test_serving.py",)),  # starts servers that reload themselves
    Package(name="flask", kind="web", releases="3.0.2 3.0.3 3.1.0 3.1.1 3.1.2 3.1.3", modules="flask"),
    Package(name="starlette", kind="web", releases="1.5.1 1.6.0 1.8.0 1.9.0 1.10.0", modules="starlette"),
    Package(name="bottle", kind="web", releases="0.13.1 0.13.2 0.13.3 0.13.4", modules="bottle", tests="test"),
    Package(name="boltons", kind="data structures", releases="24.1.0 25.0.0 26.0.0 26.1.0 26.2.0", modules="boltons"),
    Package(name="more-itertools", kind="data structures", releases="10.8.0 11.0.0 11.0.2 11.1.0 11.2.1",
            modules="more_itertools"),
    Package(name="cachetools", kind="data structures", releases="7.3.0 7.3.2 7.3.3 8.0.0 8.0.1 8.0.2", modules="cachetools"),
    Package(name="pyrsistent", kind="data structures", releases="0.18.1 0.19.1 0.19.2 0.19.3 0.20.0", modules="pyrsistent"),
    Package(name="tinydb", kind="data base", releases="4.7.1 4.8.0 4.8.1 4.8.2 4.9.0", modules="tinydb"),
    Package(name="prettytable", kind="command line", releases="3.14.0 3.16.0 3.17.0 3.18.0", modules="prettytable"),
    Package(name="tabulate", kind="command line", releases="0.8.9 0.8.10 0.9.0 0.10.0", modules="tabulate", tests="test"),
    Package(name="arrow", kind="date and time", releases="1.2.1 1.2.2 1.2.3 1.3.0 1.4.0", modules="arrow"),
    Package(name="humanize", kind="date and time", releases="4.13.0 4.14.0 4.15.0 4.16.0 4.17.0", modules="humanize"),
    Package(name="num2words", kind="numbers", releases="0.5.11 0.5.12 0.5.13 0.5.14", modules="num2words"),
    Package(name="wsproto", kind="networking", releases="1.2.0 1.3.0 1.3.1 1.3.2", modules="wsproto"),
    Package(name="hpack", kind="networking", releases="4.1.0 4.2.0", modules="hpack",
            tests="tests test"),
    Package(name="h2", kind="networking", releases="4.1.0 4.2.0 4.3.0 4.4.0 4.4.1", modules="h2"),
    Package(name="idna", kind="networking", releases="3.16 3.17 3.18 3.19 3.20", modules="idna"),
    Package(name="marshmallow", kind="validation", releases="4.2.3 4.2.4 4.3.0 4.3.1 4.4.0", modules="marshmallow"),
    Package(name="tenacity", kind="flow", releases="8.5.0 9.0.0 9.1.2 9.1.3 9.1.4 9.2.1", modules="tenacity"),
    Package(name="blinker", kind="flow", releases="1.6.3 1.7.0 1.8.1 1.8.2 1.9.0", modules="blinker"),
    Package(name="semver", kind="text", releases="3.0.1 3.0.2 3.0.4 3.1.0 3.1.1 3.1.2", modules="semver"),
    Package(name="xmltodict", kind="text", releases="1.0.0 1.0.1 1.0.2 1.0.3 1.0.4", modules="xmltodict"),
    Package(name="simpleeval", kind="numbers", releases="1.0.3 1.0.4 1.0.5 1.0.6 1.0.7 1.0.8", modules="simpleeval"),
)  # fmt: skip

BY_NAME = {package.name: package for package in PACKAGES}
