# ruff: noqa: E501  (a table of what is described)
"""All that Django knows of the models of an application, as plain text: the same in a process that swapped and in a fresh one."""

from __future__ import annotations

import functools
import gc
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import django
from django import forms
from django.apps import apps
from django.contrib import admin
from django.core.checks import run_checks
from django.db import connection, models
from django.db.models.fields.related_descriptors import ReverseManyToOneDescriptor, ReverseOneToOneDescriptor

#: Of ``_meta``: what is computed anew at each use or differs from process to process.
_NOT_META = frozenset({"apps", "original_attrs", "_get_fields_cache", "related_fkey_lookups"})


def describe(label: str) -> dict[str, Any]:
    """What is known of the models of an application, and of those on the other side of their relations."""
    gc.collect()  # what was taken back may be in circles
    own = sorted(apps.all_models[label].items())
    found: dict[str, Any] = {name: describe_model(model) for name, model in own}
    others = {f.related_model for _, m in own for f in m._meta.get_fields() if isinstance(f.related_model, type)}
    found |= {f"other {other._meta.label}": describe_model(other) for other in others if other._meta.app_label != label}
    found["pending"] = sorted(map(str, apps._pending_operations))
    found["order"] = sorted(model._meta.label for model in apps.get_models(include_auto_created=True, include_swapped=True))
    return found


def describe_model(model: Any) -> dict[str, Any]:
    meta = model._meta
    return {
        "bases": [each.__qualname__ for each in model.__mro__],
        "doc": model.__doc__,
        "attributes": {name: _attribute(value) for name, value in sorted(vars(model).items()) if name not in _OWN},
        "meta": {name: _plain(value) for name, value in sorted(vars(meta).items()) if not _is_computed(meta, name)},
        "original": _plain(meta.original_attrs),
        "limits": sorted(map(_plain, meta.related_fkey_lookups)),
        "fields": [_field(field) for field in meta.get_fields(include_hidden=True)],
        "map": sorted((name, str(type(field).__name__)) for name, field in {**meta.fields_map, **meta._forward_fields_map}.items()),
        "related": [_plain(each) for each in meta.related_objects],
        "managers": [(m.name, type(m).__qualname__, m.model is model, sorted(_public(type(m)))) for m in meta.managers],
        "default": [meta.default_manager.name, meta.base_manager.name, type(meta.base_manager).__qualname__],
        "parents": {key.__name__: _plain(value) for key, value in meta.parents.items()},
        "children": sorted(each.__name__ for each in type.__subclasses__(model)),
        **({} if meta.abstract else {"sql": _sql(model), "form": _form(model), "checks": sorted(map(str, model.check(databases=["default"])))}),
    }


_OWN = frozenset({"__dict__", "__weakref__", "__doc__", "__firstlineno__", "__static_attributes__", "__module__", "__hash__"})


def _is_computed(meta: Any, name: str) -> bool:
    known = inspect.getattr_static(type(meta), name, None)
    return name in _NOT_META or hasattr(known, "func") or isinstance(known, property)


def _attribute(value: Any) -> str:
    if isinstance(value, functools.partialmethod):
        return f"partialmethod {value.func.__name__} {_plain(value.args)} {_plain(value.keywords)}"
    if isinstance(value, (ReverseOneToOneDescriptor, ReverseManyToOneDescriptor)):
        relation = value.related if isinstance(value, ReverseOneToOneDescriptor) else value.rel
        return f"{type(value).__name__} {_plain(relation)} {_plain(relation.field)} {_plain(relation.model)}"
    field = getattr(value, "field", None)
    return f"{type(value).__name__} {_plain(field) if field is not None else _plain(value)}"


def _plain(value: Any) -> str:
    if isinstance(value, models.Field):
        return f"{type(value).__name__} {value}"
    if isinstance(value, models.ForeignObjectRel):
        return f"{type(value).__name__} {value.field} of {value.related_model.__name__} to {value.model.__name__} {value.get_accessor_name()}"
    if isinstance(value, dict):
        return str({key: _plain(item) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__} {[_plain(item) for item in value]}"
    if isinstance(value, type) or inspect.isfunction(value):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, models.Manager):
        return f"{type(value).__qualname__} {value.name} of {value.model.__name__}"
    if hasattr(value, "deconstruct"):
        return _plain(value.deconstruct())
    return re.sub(r" at 0x\w+", "", str(value))


def _field(field: Any) -> dict[str, str]:
    found = {"what": _plain(field), "model": field.model.__name__, "hidden": str(getattr(field, "hidden", "")), "name": field.name}
    if isinstance(field, models.Field):
        _, path, arguments, keywords = field.deconstruct()
        found |= {
            "deconstructed": _plain((path, arguments, {key: keywords[key] for key in sorted(keywords)})),
            "column": str((field.attname, field.column, field.db_parameters(connection=connection), field.verbose_name, field.help_text)),
            "flags": str((field.null, field.blank, field.unique, field.db_index, field.editable, field.choices, field.is_relation)),
            "validators": str([type(each).__name__ for each in field.validators]),
            "is of": str(field.model is apps.get_model(field.model._meta.label) if not field.model._meta.abstract else ""),
        }
    if (relation := getattr(field, "remote_field", None)) is not None and isinstance(field, models.Field):
        found["relation"] = str({key: _plain(value) for key, value in sorted(relation.__dict__.items()) if not _is_computed(relation, key)})
        found["paths"] = str([(p.from_opts.label, p.to_opts.label, _plain(p.target_fields), p.m2m) for p in field.path_infos])
        found["back"] = str([(p.from_opts.label, p.to_opts.label, _plain(p.target_fields)) for p in field.reverse_path_infos])
        if field.many_to_many:
            found["table"] = str((field.m2m_db_table(), field.m2m_column_name(), field.m2m_reverse_name(), field.m2m_field_name()))
    return found


def _public(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


def _sql(model: Any) -> list[str]:
    """What queries compile to, through each relation, and what creates the table."""
    found = [str(model._default_manager.all().query), str(model._base_manager.all().query)]
    for field in model._meta.get_fields():
        if type(field).__name__ == "GenericForeignKey":
            continue
        if field.is_relation:
            found.append(str(model._base_manager.filter(**{f"{field.name}__pk": 1}).query))
        elif field.concrete:
            found.append(str(model._base_manager.filter(**{f"{field.name}__isnull": True}).order_by(field.name).query))
    if model._meta.managed and not model._meta.proxy and not model._meta.swapped:
        with connection.schema_editor(collect_sql=True, atomic=False) as editor:
            editor.create_model(model)
        found += map(str, editor.collected_sql)
    return found


def _form(model: Any) -> str:
    """What a form and an admin made of a model show."""
    try:
        form = forms.modelform_factory(model, fields="__all__")
        shown = {name: (type(field).__name__, field.required, str(field.label), type(field.widget).__name__, field.initial if not callable(field.initial) else "")
                 for name, field in form.base_fields.items()}  # fmt: skip
        office = admin.ModelAdmin(model, admin.AdminSite())
        return str((shown, list(office.get_fields(None)), office.opts is model._meta))
    except Exception as error:  # noqa: BLE001 - the same in both processes, or a difference
        return repr(error)


def describe_form(form: Any) -> str:
    """The fields of a form class that a module has made of a model."""
    return str({
        name: (type(field).__name__, field.required, str(field.label), type(field.widget).__name__, str(getattr(field, "choices", ""))[:200],
               getattr(field, "max_length", None), [type(each).__name__ for each in field.validators])
        for name, field in form.base_fields.items()
    })  # fmt: skip



def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two descriptions differ, with both values."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [*one, *(key for key in other if key not in one)]
        return [text for key in keys for text in differences(one.get(key), other.get(key), f"{path}/{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [text for i, (a, b) in enumerate(zip(one, other, strict=True)) for text in differences(a, b, f"{path}/{i}")]
    return [] if one == other else [f"{path}: {one!r} is not {other!r}"]


def describe_bakery() -> dict[str, Any]:
    """The models of the bakery, and what its own form and admin show of them."""
    from bakery import forms as own_forms  # type: ignore[import-not-found]  # the copy that the process runs
    from bakery.admin import office  # type: ignore[import-not-found]

    made = {name: describe_form(value) for name, value in vars(own_forms).items() if isinstance(value, type) and hasattr(value, "base_fields")}
    registered = sorted((model._meta.label, type(own).__qualname__, own.opts is model._meta) for model, own in office._registry.items())
    return json.loads(json.dumps({"models": describe("bakery"), "forms": made, "admin": registered}))  # type: ignore[no-any-return]


def describe_afresh(folders: list[str], timeout: float = 60) -> list[dict[str, Any]]:
    """The description of each project, by a process of its own that has started on its files.

    Django is imported once, and each of the processes is a fork of that one.

    Args:
        timeout: seconds for all of them.
    """
    code = "from tests.django.described import serve; serve()"
    root = Path(__file__).parent.parent.parent
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-c", code], input="\n".join(folders), env=env, cwd="/", capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def serve() -> None:
    """Print a description for each folder that stands in a line of the input."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "bakery_site.settings"
    for line in sys.stdin.read().splitlines():
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            try:
                _print_description(line)
            finally:
                os._exit(0)
        os.waitpid(child, 0)


def _print_description(folder: str) -> None:
    os.chdir(folder)
    sys.path.insert(0, folder)
    try:
        django.setup()
        errors = [str(e) for e in run_checks() if e.is_serious() and not e.is_silenced()]
        found = {"refused": errors} if errors else describe_bakery()
    except Exception as error:  # noqa: BLE001 - a project that cannot start
        found = {"refused": repr(error)}
    os.write(1, (json.dumps(found) + "\n").encode())
