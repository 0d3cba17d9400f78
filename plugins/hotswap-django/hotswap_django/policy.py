"""What a page's Content-Security-Policy says about a script from the event server. The policy itself is never touched."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


def find_nonce(header: str, base: str) -> tuple[str, str]:
    """Whether a script from there may run in the page, and listen there.

    Args:
        header: the policies, separated by commas; empty for none.
        base: origin of the event server.

    Returns:
        The nonce that the script's tag needs, empty for none; and why the script is in vain, empty where it is not.
    """
    nonce = ""
    for policy in filter(str.strip, header.split(",")):
        rules = _read(policy)
        scripts = _first(rules, "script-src-elem", "script-src", "default-src")
        if scripts is not None:
            found = next((match[1] for each in scripts if (match := re.fullmatch(r"'nonce-(.+)'", each))), "")
            if not found and ("'strict-dynamic'" in scripts or not _allows(scripts, base)):
                return "", "script-src has neither a nonce nor the address of the script"
            nonce = nonce or found
        connects = _first(rules, "connect-src", "default-src")
        if connects is not None and not _allows(connects, base):
            return "", "connect-src does not have the address of the events"
        if "sandbox" in rules and "allow-scripts" not in rules["sandbox"]:
            return "", "its sandbox has no scripts"
    return nonce, ""


def _read(policy: str) -> dict[str, list[str]]:
    rules: dict[str, list[str]] = {}
    for directive in policy.split(";"):
        words = directive.split()
        if words:
            rules.setdefault(words[0].lower(), words[1:])  # of two directives of a name the first counts
    return rules


def _first(rules: dict[str, list[str]], *names: str) -> list[str] | None:
    return next((rules[name] for name in names if name in rules), None)


def _allows(sources: list[str], base: str) -> bool:
    """True for a source that has this origin: ``*``, ``http:``, ``[http://]127.0.0.1:*`` or its very port."""
    host, port = urlsplit(base).hostname, urlsplit(base).port
    return any(re.fullmatch(rf"\*|http:|(http://)?({host}|\*):(\*|{port})/?", each) for each in sources)
