"""Which modules are swapped, and which of CPython's tests say whether they still work."""

from __future__ import annotations

import sys

import attrs


@attrs.frozen
class Subject:
    """A module or package of the standard library.

    Attributes:
        files: below ``Lib``; a folder stands for the package with all that is in it.
        tests: names that unittest loads.
        leave_out: ids that have one of these as a part are not run: their outcome differs from run to run.
    """

    files: tuple[str, ...]
    tests: tuple[str, ...]
    leave_out: tuple[str, ...] = ()


def _one(name: str, *tests: str, also: tuple[str, ...] = ()) -> Subject:
    return Subject((name, *also), tests or (f"test.test_{name.removesuffix('.py')}",))


_FUTURES = (
    ("test.test_concurrent_futures",)
    if sys.version_info < (3, 12)
    else tuple(f"test.test_concurrent_futures.test_{part}" for part in ("thread_pool", "as_completed", "wait", "future", "init"))
)
_ASYNCIO = (
    "queues", "locks", "futures", "futures2", "timeouts", "streams", "runners", "protocols", "transports", "base_events",
    "context", "pep492", "threads", "waitfor", "buffered_proto", "selector_events",
)  # fmt: skip
_TASKS = ("tasks", "taskgroups")  # collect garbage so often that they take minutes in a process of this size

SUBJECTS = {
    "argparse": _one("argparse.py"),
    "asyncio": Subject(("asyncio",), tuple(f"test.test_asyncio.test_{part}" for part in _ASYNCIO)),
    "asyncio.tasks": Subject(("asyncio",), tuple(f"test.test_asyncio.test_{part}" for part in _TASKS)),
    "base64": _one("base64.py"),
    "bisect": _one("bisect.py"),
    "calendar": _one("calendar.py"),
    "cmd": _one("cmd.py"),
    "collections": Subject(
        ("collections",),
        ("test.test_collections", "test.test_ordered_dict", "test.test_userdict", "test.test_userlist", "test.test_userstring",
         "test.test_defaultdict"),
    ),
    "concurrent.futures": Subject(("concurrent",), _FUTURES),
    "configparser": _one("configparser.py"),
    "contextlib": _one("contextlib.py", "test.test_contextlib", "test.test_contextlib_async"),
    "copy": _one("copy.py"),
    "csv": _one("csv.py"),
    "dataclasses": _one("dataclasses.py"),
    "datetime": _one("datetime.py", also=("_pydatetime.py",) if sys.version_info >= (3, 12) else ()),
    "decimal": _one("decimal.py", also=("_pydecimal.py",)),
    "difflib": _one("difflib.py"),
    "email": Subject(("email",), ("test.test_email",)),
    "enum": _one("enum.py"),
    "fnmatch": _one("fnmatch.py"),
    "fractions": _one("fractions.py"),
    "ftplib": _one("ftplib.py"),
    "functools": _one("functools.py"),
    "glob": _one("glob.py"),
    "graphlib": _one("graphlib.py"),
    "gzip": _one("gzip.py"),
    "heapq": _one("heapq.py"),
    "html": Subject(("html",), ("test.test_html", "test.test_htmlparser")),
    "http": Subject(
        ("http",), ("test.test_http_cookies", "test.test_http_cookiejar", "test.test_httplib", "test.test_httpservers")
    ),
    "inspect": _one("inspect.py"),
    "ipaddress": _one("ipaddress.py"),
    "json": Subject(("json",), ("test.test_json",)),
    "logging": Subject(("logging",), ("test.test_logging",)),
    "numbers": _one("numbers.py", "test.test_abstract_numbers"),
    "operator": _one("operator.py"),
    "optparse": _one("optparse.py"),
    "pathlib": _one("pathlib" if sys.version_info >= (3, 13) else "pathlib.py", "test.test_pathlib"),
    "pickle": _one("pickle.py"),
    "plistlib": _one("plistlib.py"),
    "pprint": _one("pprint.py"),
    "queue": _one("queue.py"),
    "random": _one("random.py"),
    "reprlib": _one("reprlib.py"),
    "sched": _one("sched.py"),
    "selectors": _one("selectors.py"),
    "shlex": _one("shlex.py"),
    "shutil": _one("shutil.py"),
    "statistics": _one("statistics.py"),
    "string": _one("string.py"),
    "tarfile": _one("tarfile.py"),
    "tempfile": _one("tempfile.py"),
    "textwrap": _one("textwrap.py"),
    "tokenize": _one("tokenize.py"),
    "traceback": _one("traceback.py"),
    "types": _one("types.py"),
    "typing": _one("typing.py", "test.test_typing"),
    "unittest": Subject(("unittest",), ("unittest.test",) if sys.version_info < (3, 12) else ("test.test_unittest",)),
    "urllib": Subject(
        ("urllib",), ("test.test_urlparse", "test.test_urllib", "test.test_urllib_response", "test.test_robotparser")
    ),
    "uuid": _one("uuid.py"),
    "weakref": _one("weakref.py", "test.test_weakref", "test.test_weakset", also=("_weakrefset.py",)),
    "zipfile": _one("zipfile" if sys.version_info >= (3, 12) else "zipfile.py", "test.test_zipfile"),
}
