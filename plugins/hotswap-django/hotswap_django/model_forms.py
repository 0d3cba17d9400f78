"""Forms that keep what a model was: their fields are made again, as their metaclass makes them.

A form of a model gets its fields once, when its class is made. So after a swap, and after it was taken back, each form class gets
the fields that a fresh start would give it; what the program has put there itself stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import FieldError
from django.forms.models import BaseModelForm, ModelFormMetaclass, fields_for_model

from hotswap.collector import list_objects


def refresh_forms() -> None:
    """Make the fields of all forms of models again.

    Raises:
        FieldError: a form names a field that its model has no more; all forms are as they were.
    """
    made = [(form, _fields_of(form)) for form in _list_forms()]
    for form, fields in made:
        form.base_fields = fields


def _list_forms() -> Iterator[Any]:
    for form in list_objects(ModelFormMetaclass)[0]:
        options = getattr(form, "_meta", None)
        if options is None or options.model is None or form is BaseModelForm or "base_fields" not in vars(form):
            continue
        if options.fields is not None or options.exclude is not None:
            yield form


def _fields_of(form: Any) -> dict[str, Any]:
    """What ``ModelFormMetaclass`` makes, with the options that it has noted."""
    options = form._meta
    callback = getattr(options, "formfield_callback", None) or getattr(form, "formfield_callback", None)
    fields = fields_for_model(
        options.model, None if options.fields == "__all__" else options.fields, options.exclude, options.widgets, callback,
        options.localized_fields, options.labels, options.help_texts, options.error_messages, options.field_classes,
        apply_limit_choices_to=False,
    )  # fmt: skip
    missing = {name for name, field in fields.items() if not field} - form.declared_fields.keys()
    if missing:
        names = ", ".join(sorted(missing))
        raise FieldError(f"Unknown field(s) ({names}) specified for {options.model.__name__}, by {form.__qualname__}")
    return {**fields, **form.declared_fields}
