"""Forms that keep what a model was: their fields are made again, as their metaclass makes them.

A form of a model gets its fields once, when its class is made. So after a swap, and after it was taken back, each form class gets
the fields that a fresh start would give it. What the program has done to them since is noted before, and done again:

    a field that is only in the form, or of another class        stays, as it is
    a field that the form has no more                             goes again
    another label, widget, queryset, ... or attribute of a widget is set again
    another message, validator                                    comes beside those that the model gives now
    what cannot be compared                                       is as the model gives it, and named
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType
from typing import Any

import attrs
from django.core.exceptions import EmptyResultSet, FieldError
from django.db.models import QuerySet
from django.forms.models import BaseModelForm, ModelFormMetaclass, ModelFormOptions, fields_for_model
from django.utils.functional import Promise

from hotswap.collector import list_objects
from hotswap.model import Finding, Severity

_ATOMS = (str, bytes, bool, int, float, type(None))
#: Attributes and keys from a field on, as ``("widget", "attrs", "class")``; so many at most lead to a dict that is gone through.
_Path = tuple[Any, ...]
_DEEPEST = 2
_GONE, _UNKNOWN = object(), object()
_IS: Any = object.__eq__


class _Plain:
    """As large as any object that has nothing outside of its ``__dict__``."""


@attrs.frozen(eq=False)
class _Elements:
    """What was put into a list, and taken out of it."""

    added: list[Any]
    removed: list[Any]


@attrs.frozen
class Touch:
    """What a program has done to the fields of one form.

    Attributes:
        own: fields that it has put there.
        gone: names of those that it has taken away.
        values: what it has set, by the name of a field and where in it.
        unknown: of which nobody can tell whether it was set.
    """

    own: dict[str, Any]
    gone: set[str]
    values: dict[str, dict[_Path, Any]]
    unknown: tuple[str, ...] = ()


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
    made = _try_to_make(touched)
    if made is None:
        gc.collect()  # the admin makes a form for each request, which is in a circle when that has ended
        made = _make_all(touched)
    for form, fields in made:
        form.base_fields = fields


def name_unknown(touched: Mapping[Any, Touch]) -> Iterator[Finding]:
    """What may have been lost, by form."""
    for form, touch in list(touched.items()):
        if touch.unknown:
            what = f"{form.__module__}.{form.__qualname__}: {', '.join(touch.unknown)}"
            yield Finding(
                code="HS212", severity=Severity.KEPT, next_step="restart, where the program has set it",
                message=f"{what} cannot be compared with what the model gives, and is as the model gives it now",
            )  # fmt: skip


def _try_to_make(touched: Mapping[Any, Touch]) -> list[tuple[Any, dict[str, Any]]] | None:
    """The same, None where it fails: a function of its own, since the error holds the form for as long as it is looked at."""
    try:
        return _make_all(touched)
    except Exception:  # noqa: BLE001 - border to the callbacks of forms; it comes again, unless the form is gone
        return None


def _make_all(touched: Mapping[Any, Touch]) -> list[tuple[Any, dict[str, Any]]]:
    """Forms with the fields that they are to have."""
    return [(form, _touch(_fields_of(form), touched.get(form))) for form in _list_forms()]


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
    found = {name: dict(_list_differing(live[name], made[name])) for name in same}
    return Touch(
        own={name: field for name, field in live.items() if name not in same},
        gone=made.keys() - live.keys(),
        values={name: {path: value for path, value in each.items() if value is not _UNKNOWN} for name, each in found.items()},
        unknown=tuple(
            ".".join(map(str, (name, *path)))
            for name, each in sorted(found.items()) for path, value in each.items() if value is _UNKNOWN
        ),
    )  # fmt: skip


def _are_of_a_kind(one: Any, other: Any) -> bool:
    return type(one) is type(other) and type(one.widget) is type(other.widget)


def _list_differing(live: Any, made: Any) -> Iterator[tuple[_Path, Any]]:
    """What a field has otherwise than one that was just made, ``_GONE`` or ``_UNKNOWN`` among it."""
    own = {name: value for name, value in vars(live).items() if name != "widget"}
    # What a choice field gives its widget to choose from comes with its own choices.
    of_widget = {name: value for name, value in vars(live.widget).items() if getattr(value, "field", None) is not live}
    yield from _list_differing_in((), own, vars(made))
    yield from _list_differing_in(("widget",), of_widget, vars(made.widget))


def _list_differing_in(path: _Path, live: dict[Any, Any], made: dict[Any, Any]) -> Iterator[tuple[_Path, Any]]:
    for name, value in live.items():
        place, other = (*path, name), made.get(name, _GONE)
        if type(value) is dict and type(other) is dict and len(place) <= _DEEPEST:
            yield from _list_differing_in(place, value, other)
            yield from (((*place, key), _GONE) for key in other.keys() - value.keys())
        elif name == "validators" and type(value) is type(other) is list:
            if (elements := _compare_elements(value, other)) is not None:
                yield place, elements
        elif (are_same := _are_same(value, other)) is not True:
            yield place, value if are_same is False else _UNKNOWN


def _compare_elements(live: list[Any], made: list[Any]) -> Any:
    """What was put in and taken out; None where nothing was. The others are of the model, which is going to change them."""
    elements = _Elements(_lacking(live, made), _lacking(made, live))
    if _UNKNOWN in elements.added or _UNKNOWN in elements.removed:
        return _UNKNOWN
    return elements if elements.added or elements.removed else None


def _lacking(these: list[Any], those: list[Any]) -> list[Any]:
    """Those of the first that are not in the second."""
    found = []
    for this in these:
        answers = {_are_same(this, that) for that in those}
        if True not in answers:
            found.append(_UNKNOWN if None in answers else this)
    return found


def _are_same(one: Any, other: Any) -> bool | None:
    """Whether two values mean the same; None where nobody can tell."""
    try:
        return _look_into(one, other, set())
    except Exception:  # noqa: BLE001 - border to ``__eq__`` and the like of the program; also what is nested too deeply
        return None


def _look_into(one: Any, other: Any, seen: set[tuple[int, int]]) -> bool | None:
    """The same.

    Args:
        seen: pairs that are being compared, so nothing more comes of them.
    """
    if one is other or (id(one), id(other)) in seen:
        return True
    seen.add((id(one), id(other)))
    if isinstance(one, Promise) or isinstance(other, Promise):
        return isinstance(one, (Promise, str)) and isinstance(other, (Promise, str)) and str(one) == str(other)
    if type(one) is not type(other):
        return False
    if type(one) in _ATOMS:
        return bool(one == other)
    if type(one) in (list, tuple):
        return len(one) == len(other) and _all(_look_into(*pair, seen) for pair in zip(one, other, strict=True))
    if type(one) is dict:
        return one.keys() == other.keys() and _all(_look_into(one[key], other[key], seen) for key in one)
    if isinstance(one, QuerySet):
        return _describe(one) == _describe(other)
    if isinstance(one, FunctionType):
        return False if one.__code__ is not other.__code__ else None
    # Not of what can be gone through: choices would be asked for, from code of the program.
    if type(one).__eq__ is not _IS and not hasattr(type(one), "__iter__"):
        return bool(one == other)
    if type(one).__basicsize__ == _Plain.__basicsize__ and hasattr(one, "__dict__"):  # all that it has is there
        return _look_into(vars(one), vars(other), seen)
    return None


def _all(answers: Iterable[bool | None]) -> bool | None:
    found = set(answers)
    return False if False in found else None if None in found else True


def _describe(queryset: Any) -> tuple[Any, str]:
    try:
        return queryset.model, str(queryset.query)
    except EmptyResultSet:
        return queryset.model, ""


def _touch(fields: dict[str, Any], touch: Touch | None) -> dict[str, Any]:
    if touch is None:
        return fields
    for name, values in touch.values.items():
        for path, value in values.items() if name in fields else ():
            _set(fields[name], path, value)
    return {name: field for name, field in {**fields, **touch.own}.items() if name not in touch.gone}


def _set(field: Any, path: _Path, value: Any) -> None:
    target, name = field, path[-1]
    for part in path[:-1]:
        target = target.get(part) if type(target) is dict else getattr(target, part, None)
    if type(target) is dict:
        target.pop(name, None) if value is _GONE else target.__setitem__(name, value)
    elif isinstance(value, _Elements):
        kept = [each for each in target.validators if not any(_are_same(each, gone) for gone in value.removed)]
        target.validators = [*kept, *value.added]
    elif target is not None:  # else it is of another kind now
        public = name.removeprefix("_")  # ``_queryset`` and ``_choices`` are told to the widget by their properties
        setattr(target, public if isinstance(getattr(type(target), public, None), property) else name, value)
