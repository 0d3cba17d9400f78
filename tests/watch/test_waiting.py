"""Waiting for the save that mends a program."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from hotswap.watch.waiting import wait_for_save


def test_save_is_told_though_a_log_is_written_beside_it(tmp_path: Path) -> None:
    script, log = tmp_path / "main.py", tmp_path / "out.log"
    script.write_text("1 / 0\n")
    found: list[str] = []
    ready, over = threading.Event(), threading.Event()

    def wait() -> None:
        include = [str(script)].__contains__
        found.append(wait_for_save([str(script)], include, since=time.time() + 60, poll=False, on_ready=ready.set))
        over.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert ready.wait(20)
    script.write_text("1\n")
    written = 0
    while not over.wait(0.05) and written < 400:
        with log.open("a") as out:
            out.write("line\n")
        written += 1
    thread.join()
    assert found == [str(script)] and written < 400, "it came as soon as the noise had ended, and not before"
