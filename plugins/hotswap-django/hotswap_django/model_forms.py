"""Forms that keep what a model was: their fields are made again, as their metaclass makes them.

A form of a model gets its fields once, when its class is made. So after a swap, and after it was taken back, each form class gets
the fields that a fresh start would give it. What the program has done to them since is noted before, and done again:

    a field that is only in the form, or of another class        stays, as it is
    a field that the form has no more                             goes again
    another label, widget, queryset, ... or attribute of a widget is set again
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from django.core.exceptions import EmptyResultSet, FieldError
from django.db.models import QuerySet
from django.forms.models import BaseModelForm, ModelFormMetaclass, ModelFormOptions, fields_for_model
from django.utils.functional import Promise

from hotswap.collector import list_objects

_ATOMS = (str, bytes, bool, int, float, type(None))


@attrs.frozen
class Touch:
    """What a program has done to the fields of one form.

    Attributes:
        own: fields that it has put there.
        gone: names of those that it has taken away.
        values: attributes by the name of a field; those of its widget begin with ``widget.``.
    """

    own: dict[str, Any]
    gone: set[str]
    values: dict[str, dict[str, Any]]


def note_touched() -> Mapping[Any, Touch]:
    """What the program has done to forms since their models gave them fields; before the models are others."""
    made = ((form, _fields_of(form, keeps_gaps=True)) for form in _list_forms())
    return weakref.WeakKeyDictionary({form: _compare(form.base_fields, fields) for form, fields in made})


def refresh_forms(touched: Mapping[Any, Touch]) -> None:
    """Make the fields of all forms of models again.

    Args:
        touched: what :func:`note_touched` gave.

    Raises:
        FieldError: a form names a field that its model has no more; all forms are as they were then, and with any other error.
    """
    if _are_any_broken():
        gc.collect()  # the admin makes a form for each request, which is in a circle when that has ended
    made = [(form, _touch(_fields_of(form), touched.get(form))) for form in _list_forms()]
    for form, fields in made:
        form.base_fields = fields


def _are_any_broken() -> bool:
    try:
        for form in _list_forms():
            _fields_of(form)
    except Exception:  # noqa: BLE001 - border to the callbacks of forms; it comes again, unless the form is gone
        return True
    return False


def _list_forms() -> Iterator[Any]:
    for form in list_objects(ModelFormMetaclass)[0]:
        options = _options_of(form)
        if options.model is None or form is BaseModelForm or "base_fields" not in vars(form):
            continue
        if options.fields is not None or options.exclude is not None:
            yield form


def _options_of(form: Any) -> Any:
    # Not form._meta, where "__all__" is None, and to which the first inline formset adds its foreign key after fields were made.
    return ModelFormOptions(getattr(form, "Meta", None))


def _fields_of(form: Any, *, keeps_gaps: bool = False) -> dict[str, Any]:
    """What ``ModelFormMetaclass`` makes, with the options of the class statement.

    Args:
        keeps_gaps: leave fields out that the model does not have.
    """
    options = _options_of(form)
    callback = getattr(options, "formfield_callback", None) or getattr(form, "formfield_callback", None)
    fields = fields_for_model(
        options.model, None if options.fields == "__all__" else options.fields, options.exclude, options.widgets, callback,
        options.localized_fields, options.labels, options.help_texts, options.error_messages, options.field_classes,
        apply_limit_choices_to=False,
    )  # fmt: skip
    missing = {name for name, field in fields.items() if not field} - form.declared_fields.keys()
    if missing and not keeps_gaps:
        names = ", ".join(sorted(missing))
        raise FieldError(f"Unknown field(s) ({names}) specified for {options.model.__name__}, by {form.__qualname__}")
    return {name: field for name, field in {**fields, **form.declared_fields}.items() if field}


# ---- what the program did ----


def _compare(live: dict[str, Any], made: dict[str, Any]) -> Touch:
    same = {name for name in live.keys() & made.keys() if _are_of_a_kind(live[name], made[name])}
    return Touch(
        own={name: field for name, field in live.items() if name not in same},
        gone=made.keys() - live.keys(),
        values={name: _differing(live[name], made[name]) for name in same},
    )


def _are_of_a_kind(one: Any, other: Any) -> bool:
    return type(one) is type(other) and type(one.widget) is type(other.widget)


def _differing(live: Any, made: Any) -> dict[str, Any]:
    names = (name for name in vars(live) if name != "widget" and _differ(vars(live)[name], vars(made).get(name)))
    before, now = made.widget.attrs, live.widget.attrs
    attributes = {f"widget.{name}": now.get(name) for name in {**before, **now} if before.get(name) != now.get(name)}
    return {**{name: vars(live)[name] for name in names}, **attributes}


def _differ(one: Any, other: Any) -> bool:
    """True where two values are another; of two that nobody can look into this is not known."""
    mine, theirs = _plain(one), _plain(other)
    return one is not other and (mine is not None or theirs is not None) and mine != theirs


def _plain(value: Any) -> Any:
    """A value that can be compared; None where there is none."""
    if isinstance(value, Promise):
        return ("str", str(value))
    if type(value) in _ATOMS:
        return (type(value).__name__, value)
    if type(value) in (list, tuple):
        parts = [_plain(part) for part in value]
        return (type(value).__name__, parts) if None not in parts else None
    if isinstance(value, QuerySet):
        try:
            return (value.model, str(value.query))
        except EmptyResultSet:
            return (value.model, "")
    return None


def _touch(fields: dict[str, Any], touch: Touch | None) -> dict[str, Any]:
    if touch is None:
        return fields
    for name, values in touch.values.items():
        for path, value in values.items() if name in fields else ():
            _set(fields[name], path, value)
    return {name: field for name, field in {**fields, **touch.own}.items() if name not in touch.gone}


def _set(field: Any, path: str, value: Any) -> None:
    where, _, name = path.rpartition(".")
    if not where:
        setattr(field, name.removeprefix("_"), value)  # ``_queryset`` and ``_choices`` are told to the widget by their properties
    elif value is None:
        field.widget.attrs.pop(name, None)
    else:
        field.widget.attrs[name] = value
