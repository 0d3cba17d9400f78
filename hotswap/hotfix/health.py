"""Whether a service is well: what is asked while a patch proves itself.

The terminal asks addresses and commands. What the program itself knows of its errors it gives to its agent
(``hotswap.agent(error_rate=...)``), which asks while a patch waits to be confirmed.
"""

from __future__ import annotations

import math
import shlex
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException

import attrs

__all__ = ["Health", "parse_share", "read_error_rate"]

#: So many times in succession a check has to fail, and seconds between them: a worker may be exchanged just then.
TRIES, REST = 2, 0.5


@attrs.frozen(kw_only=True)
class Health:
    """What is asked.

    Attributes:
        urls: which have to answer with a status below 400.
        commands: which have to end with 0; split as a shell does, run without one.
        patience: seconds that each gets.
    """

    urls: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    patience: float = 10.0

    @property
    def longest(self) -> float:
        """Seconds that asking all once more takes at most."""
        return (len(self.urls) + len(self.commands)) * (TRIES * self.patience + (TRIES - 1) * REST)

    def find_failure(self) -> str:
        """Ask all once more; gives why the service is not well, empty where it is."""
        checks = [(ask_url, url) for url in self.urls] + [(run_command, command) for command in self.commands]
        found = (self._ask(check, what) for check, what in checks)
        return next((why for why in found if why), "")

    def _ask(self, check: Callable[[str, float], str], what: str) -> str:
        for _ in range(TRIES - 1):
            if not check(what, self.patience):
                return ""
            time.sleep(REST)
        return check(what, self.patience)


def ask_url(url: str, patience: float) -> str:
    """Why an address does not answer as it should; empty where it does."""
    # Asked directly: what a proxy answers says nothing about the service.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=patience) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        error.close()
        return f"{url} answers {error.code} {error.reason}"
    except (OSError, ValueError) as error:
        return f"{url} does not answer: {getattr(error, 'reason', error)}"
    except HTTPException as error:
        return f"{url} does not answer as HTTP: {error!r}"
    return ""


def run_command(command: str, patience: float) -> str:
    """Why a command does not end well; empty where it does."""
    try:
        done = subprocess.run(
            shlex.split(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{command} has not ended within {patience:g} s"
    except (OSError, ValueError) as error:
        return f"{command} cannot be run: {error}"
    if not done.returncode:
        return ""
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return f"{command} ends with {done.returncode}" + (f": {said[-1][:200]}" if said else "")


def read_error_rate(give: Callable[[], float], most: float) -> str:
    """Why the program is not well by what it knows itself; empty where it is. It is called with no lock held.

    Args:
        give: the program's own; gives the share of what fails, from 0 to 1.
        most: the share that is still good.
    """
    try:
        rate = float(give())
    except Exception as error:  # noqa: BLE001 - border: the program's own code
        return f"the program cannot say its error rate: {type(error).__name__}: {error}"
    if math.isnan(rate) or rate > most:
        return f"the error rate is {rate:.1%}, where {most:.1%} is good"
    return ""


def parse_share(text: str) -> float:
    """Read ``5%`` or ``0.05``.

    Raises:
        ValueError: it is no share from 0 to 1.
    """
    share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= share <= 1:
        raise ValueError(text)
    return share
