"""One scenario: versions of a program, the state to bring about, and the transcript that must come out.

The text form is made of sections; ``tests/scenarios/README.md`` shows one. A header is ``=== name``:

    ``vN/path``            a file of version N; one that is missing in version N + 1 is deleted there
    ``every/path``         a file that is the same in all versions
    ``take``, ``take vN``  brings about the state, right after the start (``take vN``: in a process started on N)
    ``probe``              prints the transcript
    ``expect``, ``expect vN``           the whole transcript on that version (without N: on the last one); where
                           the change must be refused, it is what the version before answers
    ``may refuse``, ``may refuse vN``   codes that may refuse the change to that version, one a line, with why
    ``may refuse late``                 the same, only where hotswap was attached after the imports
    ``may refuse reversed``             the same, only for the change in the other direction
    ``must refuse``, ``must refuse vN`` codes of which one has to refuse it
    ``says``, ``says vN``               codes that the report has to contain
    ``no rollback``, ``not late``, ``not reversed``, ``probe once``   switches; the body is the reason
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import attrs

_HEADER: Final = re.compile(r"^=== (?P<name>\S.*?)\s*$", re.MULTILINE)
_FILE: Final = re.compile(r"^(?P<version>v\d+|every)/(?P<path>\S+)(?: \[(?P<encoding>[\w-]+)\])?$")
_KEYED: Final = re.compile(r"^(?P<name>take|expect|may refuse|must refuse|says)(?: v(?P<version>\d+))?$")
_SWITCHES: Final = ("no rollback", "not late", "not reversed", "probe once")
_CODE: Final = re.compile(r"^(HS\d{3})\b", re.MULTILINE)

Files = tuple[tuple[str, bytes], ...]


class ScenarioError(ValueError):
    """The text of a scenario is not well formed; the message names the section."""


@attrs.frozen(kw_only=True)
class Scenario:
    """A program in versions 1 to N, and what its process has to answer on each.

    Attributes:
        name: area and file name, as a test id.
        doc: the behaviour, in one sentence.
        versions: for each version its files, as (relative path, bytes), sorted.
        takes: for each version the code that brings about the state in a process started on it.
        probe: the code that prints the transcript.
        expects: for each version the expected transcript; None where only the fresh process is asked.
        may_refuse, must_refuse: for each version the codes that may (one of which must) refuse the change to it.
        may_refuse_late: codes that may refuse where hotswap was attached after the imports.
        says: for each version the codes that the report has to contain.
        may_refuse_reversed: codes that may refuse the change from version 2 to version 1.
        no_rollback, not_late, not_reversed, probe_once: reasons why a part of the judgement is left out; empty where it is not.
    """

    name: str
    doc: str
    versions: tuple[Files, ...]
    takes: tuple[str, ...]
    probe: str
    expects: tuple[str | None, ...]
    may_refuse: tuple[frozenset[str], ...]
    must_refuse: tuple[frozenset[str], ...]
    says: tuple[frozenset[str], ...]
    may_refuse_late: frozenset[str] = frozenset()
    may_refuse_reversed: frozenset[str] = frozenset()
    no_rollback: str = ""
    not_late: str = ""
    not_reversed: str = ""
    probe_once: str = ""

    @classmethod
    def of(cls, name: str, *versions: dict[str, str], take: str, probe: str) -> Scenario:
        """Build a scenario without a written expectation: the fresh process alone is the judge.

        Args:
            name: shown in the verdict.
            versions: for each version its files, relative path to text.
            take: code that brings about the state, the same for all versions.
            probe: code that prints the transcript.
        """
        count = len(versions)
        none: tuple[frozenset[str], ...] = (frozenset(),) * count
        return cls(
            name=name, doc=name, probe=probe, takes=(take,) * count, expects=(None,) * count,
            versions=tuple(_freeze({path: text.encode() for path, text in files.items()}) for files in versions),
            may_refuse=none, must_refuse=none, says=none,
        )  # fmt: skip

    @property
    def last(self) -> int:
        """Index of the last version."""
        return len(self.versions) - 1

    def served(self, version: int) -> int:
        """The version that answers after the change to this one: an earlier one where this one must be refused."""
        while self.must_refuse[version]:
            version -= 1
        return version

    def reversed(self) -> Scenario | None:
        """The same change in the other direction, or None where it is not one.

        The state must be brought about by the same code on both versions, or it would not be the same state.
        """
        if self.not_reversed or len(self.versions) != 2 or len(set(self.takes)) != 1 or any(self.must_refuse):
            return None
        return attrs.evolve(
            self,
            name=f"{self.name} reversed",
            versions=self.versions[::-1],
            expects=(self.expects[1], None),
            may_refuse=(frozenset(), self.may_refuse[1] | self.may_refuse_reversed),
            says=(frozenset(), frozenset()),
            no_rollback="tried in the direction in which the scenario is written",
        )


def read_scenario(path: Path) -> Scenario:
    """Read one scenario file; its name is the folder's and the file's.

    Raises:
        ScenarioError: it is not well formed; mend the named section.
    """
    return parse_scenario(path.read_text(encoding="utf-8"), name=f"{path.parent.name}/{path.stem}")


def parse_scenario(text: str, *, name: str) -> Scenario:
    """Turn the text form into a :class:`Scenario`.

    Raises:
        ScenarioError: a section is unknown, doubled or missing.
    """
    doc, sections = _split(text, name)
    files, rest = _files(sections)
    if len(files) < 2:
        raise ScenarioError(f"{name}: at least v1 and v2 are needed")
    keyed, plain = _keyed(rest, len(files), name)
    if "probe" not in plain or not all(keyed["take"]) or not doc:
        raise ScenarioError(f"{name}: docstring, take and probe are needed")
    codes = {key: tuple(_codes(body) for body in keyed[key]) for key in ("may refuse", "must refuse", "says")}
    return Scenario(
        name=name, doc=doc, versions=tuple(files), probe=plain["probe"],
        takes=tuple(take or "" for take in keyed["take"]), expects=keyed["expect"],
        may_refuse=codes["may refuse"], must_refuse=codes["must refuse"], says=codes["says"],
        may_refuse_late=_codes(plain.get("may refuse late")), may_refuse_reversed=_codes(plain.get("may refuse reversed")),
        **{switch.replace(" ", "_"): plain.get(switch, "") for switch in _SWITCHES},
    )  # fmt: skip


# -- sections ---------------------------------------------------------------------------------------------------


def _split(text: str, name: str) -> tuple[str, dict[str, str]]:
    doc, *parts = _HEADER.split(text)
    sections: dict[str, str] = {}
    for header, body in zip(parts[::2], parts[1::2], strict=True):
        if header in sections:
            raise ScenarioError(f"{name}: section {header!r} stands there twice")
        sections[header] = body.lstrip("\n") if body.strip() else ""
    return " ".join(doc.split()), sections


def _files(sections: dict[str, str]) -> tuple[list[Files], dict[str, str]]:
    """Take the files out of the sections, completed with those of ``every/``."""
    versions: dict[str, dict[str, bytes]] = {}
    rest: dict[str, str] = {}
    for header, body in sections.items():
        if found := _FILE.match(header):
            text = body.rstrip("\n") + "\n" if body else ""
            versions.setdefault(found["version"], {})[found["path"]] = text.encode(found["encoding"] or "utf-8")
        else:
            rest[header] = body
    every = versions.pop("every", {})
    ordered = sorted(versions, key=lambda version: int(version[1:]))
    return [_freeze({**every, **versions[version]}) for version in ordered], rest


def _keyed(sections: dict[str, str], count: int, name: str) -> tuple[dict[str, tuple[str | None, ...]], dict[str, str]]:
    """Sort sections into those that exist once a version and the others; what has no number means the last version.

    ``take`` without a number means every version.
    """
    table: dict[str, list[str | None]] = {key: [None] * count for key in ("take", "expect", "may refuse", "must refuse", "says")}
    plain: dict[str, str] = {}
    for header, body in sections.items():
        found = _KEYED.match(header)
        if found is None:
            if header not in {"probe", "may refuse late", "may refuse reversed", *_SWITCHES}:
                raise ScenarioError(f"{name}: unknown section {header!r}")
            plain[header] = body
        elif found["version"] is None and found["name"] == "take":
            table["take"] = [own or body for own in table["take"]]
        else:
            table[found["name"]][int(found["version"] or count) - 1] = body
    return {key: tuple(row) for key, row in table.items()}, plain


def _codes(body: str | None) -> frozenset[str]:
    return frozenset(_CODE.findall(body or ""))


def _freeze(files: dict[str, bytes]) -> Files:
    return tuple(sorted(files.items()))
