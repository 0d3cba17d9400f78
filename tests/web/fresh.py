"""Fresh starts of a program: forks of a process that has imported the framework, and nothing of the program."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any


def answer_fresh(ask_all: Callable[[Any], dict[str, Any]], module: str, name: str) -> None:
    """Answer for each folder on stdin, a line of JSON for each.

    Args:
        ask_all: gives all answers of an application.
        module, name: of the application, in that folder.
    """
    for line in sys.stdin:
        reader, writer = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                os.chdir(line.strip())
                sys.path.insert(0, line.strip())
                result: Any = ask_all(getattr(importlib.import_module(module), name))
            except BaseException as error:
                result = {"failed": f"{type(error).__name__}: {error}"}
            with os.fdopen(writer, "w") as out:
                out.write(json.dumps(result))
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as given:
            text = given.read()
        os.waitpid(pid, 0)
        print(text, flush=True)
