"""A process that has Django imported, and forks one freshly started server of the example for each line that it reads.

Run by path, never imported: what it forks must not have hotswap in it. A line is JSON, ``{"folder", "options", "log"}``;
the answer is a line with the number of the server's process. Forking saves the second that Django's import takes; the project
itself is loaded in the child, from its files.
"""

from __future__ import annotations

import json
import os
import signal
import sys

import django.contrib.admin
import django.contrib.staticfiles.management.commands.runserver
import django.core.management
import django.db.models
import django.forms
import django.template.loader
import django.urls
import django.views.generic


def serve(folder: str, options: list[str], log: str) -> None:
    """Be ``python manage.py runserver --noreload`` in that folder."""
    terminal = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(terminal, 1)
    os.dup2(terminal, 2)
    os.chdir(folder)
    sys.path[0] = folder
    os.environ["DJANGO_SETTINGS_MODULE"] = "shopsite.settings"
    django.core.management.execute_from_command_line(["manage.py", "runserver", "--noreload", *options])


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the servers: they are killed
    for line in sys.stdin:
        order = json.loads(line)
        number = os.fork()
        if number == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve(order["folder"], order["options"], order["log"])
            return
        print(number, flush=True)


main()
