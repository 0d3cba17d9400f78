"""The directory in which orders lie: what is wanted, the patches, and what became of it.

    lock                        held by who gives an order, until it is carried out
    desired.json                what is wanted; replaced as a whole
    patches/DIGEST.hotpatch
    results/PID.json            what each process says of itself; replaced as a whole
    journal.jsonl
    doors/PID.sock              where a process takes orders itself, if it was told to

A process that starts or is forked does what ``desired.json`` says; so it is enough to write that and ring.
"""

from __future__ import annotations

import getpass
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs

from hotswap.errors import PatchError
from hotswap.hotfix.patch import MAX_PATCH
from hotswap.hotfix.wishes import read_wish, unforced

__all__ = ["Desired", "Order", "Spool", "drop_locks", "list_groups", "spool_folder", "who_am_i"]

MAX_STATE = 16 * 2**20
_GROUP_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def who_am_i() -> str:
    """Who gives an order, for the journal."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user without an entry, as in containers
        name = "?"
    behind = f" (sudo by {os.environ['SUDO_USER']})" if os.environ.get("SUDO_USER") else ""
    return f"{name}{behind}, uid {os.getuid()}"


def spool_folder() -> str:
    """Where the spools of all groups are; ``HOTSWAP_SPOOL`` names another place."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.abspath(os.environ.get("HOTSWAP_SPOOL") or os.path.join(state, "hotswap"))


def list_groups() -> list[str]:
    """The groups that have a spool."""
    try:
        return sorted(name for name in os.listdir(spool_folder()) if set(name) <= _GROUP_LETTERS)
    except FileNotFoundError:
        return []


# The locks that this process holds; a set operation is one instant, so no lock guards it.
_locks: set[int] = set()


def drop_locks() -> None:
    """In a child: the right to give orders is its parent's, also where that is killed now."""
    while _locks:
        os.close(_locks.pop())


@attrs.frozen(kw_only=True)
class Order:
    """One patch that is wanted.

    Attributes:
        digest, id, number, target: of the patch.
        by: who has ordered it.
        at: when, Unix time in seconds.
        confirm_by: when it is taken back unless it is confirmed; None for never.
        only: the processes that it is for; empty for all of the group.
        max_errors: the share of failing requests, from 0 to 1, above which it is taken back while it is to be confirmed; None
            where that is not looked at.
        budget: how many objects, or with ``1%`` which share, may fail to be converted before it is taken back.
        replaces: the orders in whose place it stands; they are wanted again when it is taken back.
        wish: who is to move when, see ``wishes.py``.
    """

    digest: str
    id: str
    number: int
    target: str
    by: str
    at: float
    confirm_by: float | None = None
    only: tuple[int, ...] = ()
    max_errors: float | None = None
    budget: str = "0"
    replaces: tuple[Order, ...] = ()
    wish: dict[str, Any] | None = None


@attrs.frozen(kw_only=True)
class Desired:
    """What is wanted of a group.

    Attributes:
        revision: grows with each order.
        orders: the oldest first; each stands on those before it.
        numbers: the highest number that was ever accepted for a target, with the digest that had it.
        check: a patch that is to be tried without being applied.
        paused_at: since when nothing is put on or taken off, Unix time in seconds; None where it is not so.
        deployed: digests of patches that are no orders any more, since what is deployed has them.
        withdrawn: why orders were taken away without a person, by digest; the newest of them last.
        ways_back: who is to move when a patch is taken back that is not wanted any more, by its digest.
    """

    revision: int = 0
    orders: tuple[Order, ...] = ()
    numbers: tuple[tuple[str, int, str], ...] = ()
    check: Order | None = None
    paused_at: float | None = None
    deployed: tuple[str, ...] = ()
    withdrawn: tuple[tuple[str, str], ...] = ()
    ways_back: Mapping[str, dict[str, Any] | None] = attrs.field(factory=dict)

    def wanted(self, pid: int, now: float) -> tuple[Order, ...]:
        """The patches that a process is to have: of those that stand, those that are for it.

        Args:
            now: Unix time in seconds.
        """
        return tuple(order for order in self.standing(now) if not order.only or pid in order.only)

    def standing(self, now: float) -> tuple[Order, ...]:
        """The orders before the first whose time to be confirmed is over; a pause stops that clock."""
        now = now if self.paused_at is None else min(now, self.paused_at)
        over = (at for at, order in enumerate(self.orders) if order.confirm_by is not None and now >= order.confirm_by)
        at = next(over, None)
        return self.orders if at is None else self.without(at)

    def without(self, at: int) -> tuple[Order, ...]:
        """The orders when one of them is taken back, with those that stand on it: those that it had replaced are there again."""
        return (*self.orders[:at], *self.orders[at].replaces)

    def why_withdrawn(self, digest: str) -> str:
        """Why an order was taken away without a person; empty where it was not."""
        return dict(self.withdrawn).get(digest, "")

    def way_back(self, digest: str) -> dict[str, Any] | None:
        """Who is to move when a patch is taken back: as that was ordered; without an order, as it goes by itself."""
        order = next((order for order in self.orders if order.digest == digest), None)  # not confirmed in time
        return unforced(order.wish) if order is not None else self.ways_back.get(digest)

    def number_of(self, target: str) -> tuple[int, str]:
        """The highest number of a target and who had it; 0 where there is none."""
        return next(((number, digest) for name, number, digest in self.numbers if name == target), (0, ""))

    def with_number(self, order: Order) -> tuple[tuple[str, int, str], ...]:
        """``numbers``, with an order among them."""
        others = [each for each in self.numbers if each[0] != order.target]
        highest = max((order.number, order.digest), self.number_of(order.target))
        return tuple(sorted([*others, (order.target, *highest)]))


def _read_order(held: dict[str, Any]) -> Order:
    replaces = tuple(map(_read_order, held["replaces"]))
    return Order(**{**held, "only": tuple(held["only"]), "replaces": replaces})


@attrs.frozen
class Spool:
    """The spool of one group.

    Attributes:
        group: letters, digits, dash and underscore.
        folder: absolute.
        by: who gives orders here, for the journal.
    """

    group: str
    folder: str
    by: str = attrs.field(factory=lambda: who_am_i())

    @classmethod
    def of(cls, group: str) -> Spool:
        """The spool of a group.

        Raises:
            PatchError: HS608, it is no name of a group.
        """
        if not group or not set(group) <= _GROUP_LETTERS:
            raise PatchError("HS608", f"{group!a} is no name of a group", "use letters, digits, dash and underscore")
        return cls(group, os.path.join(spool_folder(), group))

    @property
    def journal(self) -> str:
        """The path of the journal."""
        return os.path.join(self.folder, "journal.jsonl")

    def check(self, *, create: bool = False) -> None:
        """Make sure that only this user writes here.

        Raises:
            PatchError: HS608, it is not so.
        """
        folders = [os.path.join(self.folder, name) for name in ("", "patches", "results", "doors")]
        try:
            if create:
                os.makedirs(os.path.dirname(self.folder), 0o700, exist_ok=True)
                for folder in folders:
                    if not os.path.lexists(folder):
                        os.mkdir(folder, 0o700)
            self._check_folder(parent := os.path.dirname(self.folder), os.stat(parent), (0, os.geteuid()))
            for folder in folders:
                self._check_folder(folder, os.lstat(folder), (os.geteuid(),))
        except OSError as error:
            raise PatchError("HS608", f"the spool {self.folder} cannot be used: {error.strerror or error}") from error

    @staticmethod
    def _check_folder(folder: str, info: os.stat_result, owners: tuple[int, ...]) -> None:
        if not stat.S_ISDIR(info.st_mode) or info.st_uid not in owners:
            step = f"give the command as that user: sudo -u '#{info.st_uid}' hotswap ..." if not os.geteuid() else ""
            raise PatchError("HS608", f"{folder} is not a directory of this user (uid {os.geteuid()})", step)
        if stat.S_IMODE(info.st_mode) & 0o022:
            raise PatchError("HS608", f"others may write to {folder}")

    # ---- what is wanted ----

    def read_desired(self) -> Desired:
        """What is wanted.

        Raises:
            PatchError: HS608, it cannot be read.
        """
        held = self._read_json("desired.json")
        if held is None:
            return Desired()
        try:
            orders = tuple(map(_read_order, held["orders"]))
            numbers = tuple((str(name), int(number), str(digest)) for name, number, digest in held["numbers"])
            asked = _read_order(held["check"]) if held["check"] else None
            withdrawn = tuple((str(digest), str(why)) for digest, why in held["withdrawn"])
            paused_at = None if held["paused_at"] is None else float(held["paused_at"])
            ways_back = {str(digest): wish for digest, wish in held["ways_back"].items()}
            for wish in (*ways_back.values(), *(order.wish for order in orders)):
                read_wish(wish)
            return Desired(
                revision=int(held["revision"]), orders=orders, numbers=numbers, check=asked, paused_at=paused_at,
                deployed=tuple(map(str, held["deployed"])), withdrawn=withdrawn, ways_back=ways_back,
            )  # fmt: skip
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise PatchError("HS608", f"{self.folder}/desired.json is not what hotswap writes ({error!r})") from error

    def write_desired(self, desired: Desired) -> None:
        """Say what is wanted from now on: all of it, or nothing of it where this process is killed."""
        self._write("desired.json", json.dumps(attrs.asdict(desired), sort_keys=True).encode() + b"\n")

    @contextmanager
    def ordering(self) -> Iterator[None]:
        """Hold the right to give orders; the kernel takes it back where this process is killed.

        Raises:
            PatchError: HS612, somebody else gives one.
        """
        import fcntl  # late: Windows has none, and sessions are to work there

        descriptor = os.open(os.path.join(self.folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise PatchError("HS612", f"an order for group {self.group} is being carried out") from error
            _locks.add(descriptor)
            yield
        finally:
            _locks.discard(descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # a child that was forked meanwhile has it, too
            os.close(descriptor)

    # ---- patches ----

    def add_patch(self, digest: str, data: bytes) -> None:
        """Keep a patch."""
        self._write(os.path.join("patches", f"{digest}.hotpatch"), data)

    def read_patch(self, digest: str) -> bytes:
        """A patch that was kept.

        Raises:
            PatchError: HS608, it cannot be read.
        """
        data = self._read(os.path.join("patches", f"{digest}.hotpatch"), MAX_PATCH + 1)
        if data is None:
            raise PatchError("HS608", f"the patch {digest[:12]} is not in {self.folder}", "order it again")
        return data

    # ---- results ----

    def write_result(self, pid: int, result: dict[str, Any]) -> None:
        """Say what a process has to say."""
        # Not waited for: it is about a process that lives, and each fork writes one.
        self._write(os.path.join("results", f"{pid}.json"), json.dumps(result, sort_keys=True).encode() + b"\n", durable=False)

    def read_results(self) -> dict[int, dict[str, Any]]:
        """What the processes have said, by pid; of those that have ended, too."""
        found: dict[int, dict[str, Any]] = {}
        for name in sorted(os.listdir(os.path.join(self.folder, "results"))):
            stem, _, kind = name.partition(".")
            if stem.isdigit() and kind == "json" and (held := self._read_json(os.path.join("results", name))) is not None:
                found[int(stem)] = held
        return found

    def drop_result(self, pid: int) -> None:
        """Forget a process that has ended."""
        try:
            os.unlink(os.path.join(self.folder, "results", f"{pid}.json"))
        except OSError:  # another one was first, or the disk is gone: who reads asks whether the process lives
            pass

    # ---- files ----

    def _read_json(self, name: str) -> Any:
        data = self._read(name, MAX_STATE)
        if data is None:
            return None
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise PatchError("HS608", f"{self.folder}/{name} is not what hotswap writes ({error})") from error

    def _read(self, name: str, limit: int) -> bytes | None:
        path = os.path.join(self.folder, name)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise PatchError("HS608", f"{path} cannot be read: {error.strerror or error}") from error
        with open(descriptor, "rb") as stream:
            info = os.fstat(stream.fileno())
            if info.st_uid != os.geteuid() or stat.S_IMODE(info.st_mode) & 0o022:
                raise PatchError("HS608", f"{path} belongs to somebody else, or others may write to it")
            return stream.read(limit)

    def _write(self, name: str, data: bytes, *, durable: bool = True) -> None:
        """Replace a file as a whole; where it is to be durable, on the disk before this returns."""
        path = os.path.join(self.folder, name)
        folder, fresh = os.path.dirname(path), f"{path}.{os.getpid()}.new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with open(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                if durable:
                    os.fsync(stream.fileno())
            os.replace(fresh, path)
        except OSError:  # raised again; what was written of it must not keep a full disk full
            os.unlink(fresh)
            raise
        if not durable:
            return
        entry = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)
