"""After models have changed: what of it the database does not have yet, told, made or run, and queries that fail because of it.

    HOTSWAP["MIGRATE"]    after a save that changes models
    "tell"                the operations in words, with the commands to type; the default
    "make"                the migration is written, as makemigrations does it
    "run"                 and run, as migrate does it, while requests wait at the gate

A migration of which Django would ask something (a renamed field, a field without a default), or that takes data away, is never
made here: nobody could answer in a server. Then, and where making or running one fails, the models stay live and the commands
are told.
"""

from __future__ import annotations

import importlib
import io
import re
import traceback
from collections.abc import Callable
from typing import Any

import attrs
from django.apps import apps
from django.core.management import call_command
from django.db import connections
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import DeleteModel, RemoveField
from django.db.migrations.questioner import MigrationQuestioner
from django.db.migrations.state import ProjectState
from django.db.models import NOT_PROVIDED
from django.db.utils import DatabaseErrorWrapper, OperationalError, ProgrammingError

from hotswap.model import Finding, Severity

_MAKE, _RUN = "python manage.py makemigrations", "python manage.py migrate"
#: What databases say of a table or a column that they do not have: SQLite, PostgreSQL, MySQL, Oracle.
_LACKS = re.compile(r"no such (table|column)|has no column named|does not exist|doesn't exist|Unknown column|ORA-0094|ORA-00904")


@attrs.frozen
class Due:
    """What the models have and no migration makes.

    Attributes:
        operations: in words, as Django describes them, by application.
        questions: what Django would ask, and what is lost; with any of them a person has to make the migration.
    """

    operations: dict[str, list[str]]
    questions: list[str]

    def __str__(self) -> str:
        return "; ".join(f"{label}: {', '.join(words)}" for label, words in self.operations.items())


class _Questioner(MigrationQuestioner):  # type: ignore[misc]  # Django has no types
    """Notes each question, and answers so that nothing is taken for something else."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def _note(self, question: str, answer: Any) -> Any:
        self.asked.append(question)
        return answer

    def ask_not_null_addition(self, field_name: str, model_name: str) -> Any:
        return self._note(f"what rows that exist get as {model_name}.{field_name}", None)

    def ask_not_null_alteration(self, field_name: str, model_name: str) -> Any:
        return self._note(f"what rows without {model_name}.{field_name} get", NOT_PROVIDED)

    def ask_rename(self, model_name: str, old_name: str, new_name: str, field_instance: Any) -> bool:
        return bool(self._note(f"whether {model_name}.{old_name} was renamed to {new_name}", False))

    def ask_rename_model(self, old_model_state: Any, new_model_state: Any) -> bool:
        return bool(self._note(f"whether {old_model_state.name} was renamed to {new_model_state.name}", False))

    def ask_auto_now_add_addition(self, field_name: str, model_name: str) -> Any:
        return self._note(f"which time rows that exist get as {model_name}.{field_name}", None)

    def ask_unique_callable_default_addition(self, field_name: str, model_name: str) -> Any:
        return self._note(f"how rows that exist get different values as {model_name}.{field_name}", None)


def find_due() -> Due:
    """Compare the live models with the migrations on disk, as ``makemigrations --check --dry-run`` does; asks no database."""
    importlib.invalidate_caches()
    loader = MigrationLoader(None)
    questioner = _Questioner()
    detector = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps), questioner)
    labels = {config.label for config in apps.get_app_configs()} & loader.migrated_apps
    changes = detector.changes(graph=loader.graph, trim_to_apps=labels or None)
    operations = {
        label: [operation.describe() for migration in migrations for operation in migration.operations]
        for label, migrations in changes.items()
    }
    made = [(label, operation) for label, migrations in changes.items() for each in migrations for operation in each.operations]
    gone = [(label, operation) for label, operation in made if isinstance(operation, (RemoveField, DeleteModel))]
    lost = [f"whether what is in {label}.{_what(operation)} may go" for label, operation in gone]
    return Due(operations, [*questioner.asked, *lost])


def _what(operation: Any) -> str:
    return f"{operation.model_name}.{operation.name}" if isinstance(operation, RemoveField) else str(operation.name)


# ---- after a swap ----


def follow_models(mode: str) -> list[Finding]:
    """Tell what the database lacks now, or make and run the migration.

    Args:
        mode: ``tell``, ``make`` or ``run``.
    """
    try:
        due = find_due()
    except Exception as error:  # noqa: BLE001 - border to migrations of the program
        note_due("")
        why = f"migrations cannot be compared with the models: {type(error).__name__}: {error}"
        return [_kept(why, "mend them", traceback.format_exc())]
    note_due(str(due))
    if not due.operations:
        return []
    if mode == "tell" or due.questions:
        asks = f"; a person has to say {', and '.join(due.questions)}" if due.questions else ""
        return [_kept(f"a database migration is due for {due}{asks}", f"{_MAKE}, then {_RUN}")]
    return _carry_out(due, mode)


def _carry_out(due: Due, mode: str) -> list[Finding]:
    out = io.StringIO()
    try:
        call_command("makemigrations", *due.operations, interactive=False, no_color=True, stdout=out, stderr=out)
        if mode == "run":
            _run_migrations(out)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - border to migrations of the program, and to the database
        why = f"the migration that is due for {due} failed: {type(error).__name__}: {error}"
        return [_kept(why, f"mend it, then {_MAKE} and {_RUN}", out.getvalue() + traceback.format_exc())]
    if mode == "make":
        return [_kept(f"a migration was made for {due}", _RUN)]
    note_due("")
    return [Finding(code="HS414", severity=Severity.NOTE, message=f"a migration was made and run for {due}")]


def _run_migrations(out: io.StringIO) -> None:
    """As ``migrate`` does; connections that this opens are closed again, since each thread has its own."""
    unused = [connection for connection in connections.all() if connection.connection is None]
    try:
        call_command("migrate", interactive=False, no_color=True, stdout=out, stderr=out)
    finally:
        for connection in unused:
            connection.close()


def _kept(message: str, step: str, excerpt: str = "") -> Finding:
    return Finding(code="HS414", severity=Severity.KEPT, message=message, next_step=step, excerpt=excerpt)


# ---- queries that fail ----

_noted = [""]


def note_due(words: str) -> None:
    """What errors of the database say from now on; empty for nothing."""
    _noted[0] = words


def explain_errors() -> Callable[[], None]:
    """Have errors about a missing table or column say that a migration is due; gives what ends that."""
    original = DatabaseErrorWrapper.__exit__

    def __exit__(self: Any, exc_type: Any, exc_value: Any, traceback: Any) -> Any:
        try:
            return original(self, exc_type, exc_value, traceback)
        except (OperationalError, ProgrammingError) as error:
            if _noted[0] and _LACKS.search(str(error)):
                error.add_note(
                    f"hotswap: the models were changed in this process, and when they were, a migration was due for {_noted[0]}."
                    f"\nUnless you have done so since: {_MAKE}, then {_RUN}"
                )
            raise

    DatabaseErrorWrapper.__exit__ = __exit__

    def put_back() -> None:
        DatabaseErrorWrapper.__exit__ = original
        note_due("")

    return put_back
