"""Model classes that are made aside: Django registers them, and their relations, in a registry of their own.

    done by Django where a model is made                here, while statements are evaluated aside
    noted in the registry of models                     in :class:`Registry`, which knows the live models too
    a relation by name waits for its model              for the new one where this is to be made anew, else for the live one
    an accessor is set on the other model               noted in ``accessors`` where that is a live class
    receivers are connected (``ImageField``)            taken out again, and noted in ``connected``

Only the thread that swaps is led here. Nothing that is live changes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.apps.registry import Apps
from django.db.models import signals
from django.db.models.base import ModelBase
from django.db.models.options import Options

from hotswap_django.anatomy import own_fields, own_table

#: A model as registries name it: label of the application and name in small letters.
Key = tuple[str, str]
_SIGNALS = tuple(value for value in vars(signals).values() if isinstance(value, signals.Signal))


def key_of(model: Any) -> Key:
    """How registries name a model."""
    return model._meta.app_label, model._meta.model_name


def list_models() -> list[Any]:
    """All live models: also those that Django makes for relations, and swapped ones."""
    return [model for models in list(apps.all_models.values()) for model in list(models.values())]


class Registry(Apps):  # type: ignore[misc]  # Django has no types
    """The models that are made aside, over the live ones.

    Args:
        hidden: live models that are expected to be made anew, or to go.

    Attributes:
        made: models that were made aside, in order; led over to the live ones with all else that is made aside.
        accessors: what would have been set on live classes: class, name, value.
        connected: receivers that were connected: signal, entry.
        prepared: receivers of ``class_prepared``, which are not told of models that are made aside.
    """

    def __init__(self, hidden: set[Key]) -> None:
        super().__init__()
        self.app_configs = apps.app_configs
        for label, models in list(apps.all_models.items()):
            self.all_models[label] = {name: model for name, model in models.items() if (label, name) not in hidden}
        self.made: list[Any] = []
        self.accessors: list[tuple[Any, str, Any]] = []
        self.connected: list[tuple[Any, Any]] = []
        self.prepared: list[Any] = []

    def register_model(self, app_label: str, model: Any) -> None:
        name = model._meta.model_name
        known = self.all_models[app_label].get(name)
        if known is not None and (known.__name__, known.__module__) != (model.__name__, model.__module__):
            raise RuntimeError(f"Conflicting '{name}' models in application '{app_label}': {known} and {model}.")
        self.all_models[app_label][name] = model
        self.made.append(model)
        self.do_pending_operations(model)
        self.clear_cache()

    def get_models(self, include_auto_created: bool = False, include_swapped: bool = False) -> list[Any]:
        """Those made aside, and what stands for live ones beside them: Django writes what it computes from all into each."""
        made = [
            model for model in self.made
            if (include_auto_created or not model._meta.auto_created) and (include_swapped or not model._meta.swapped)
        ]  # fmt: skip
        return [*made, *map(_Beside, self._list_live())] if include_auto_created else made

    def _list_live(self) -> Iterator[Any]:
        """Live models that stay as they are; a query that is made aside follows their relations back to them."""
        made = {id(model) for model in self.made}
        for models in list(self.all_models.values()):
            yield from (model for model in list(models.values()) if id(model) not in made and not model._meta.swapped)

    def get_model(self, app_label: str, model_name: str | None = None, require_ready: bool = True) -> Any:
        if model_name is None:
            app_label, model_name = app_label.split(".")
        if (model := self.all_models.get(app_label, {}).get(model_name.lower())) is None:
            raise LookupError(f"App '{app_label}' doesn't have a '{model_name}' model.")
        return model

    def clear_cache(self) -> None:
        for model in getattr(self, "made", ()):
            model._meta._expire_cache()

    def resolve_rest(self, gone: set[Key]) -> None:
        """Let relations that wait have the live models, where these were not made anew after all.

        Args:
            gone: models whose statement has gone.
        """
        for label, name in list(self._pending_operations):
            live = apps.all_models.get(label, {}).get(name)
            if live is not None and (label, name) not in gone and name not in self.all_models[label]:
                self.all_models[label][name] = live
                self.do_pending_operations(live)


class _Beside:
    """Stands for a live model where Django looks for relations to those that are made aside; what it computes stays here."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._meta = self
        self.abstract = False
        self.concrete_model = model._meta.concrete_model

    def _get_fields(self, **given: Any) -> Any:
        return self._model._meta._get_fields(**given)


class _PerThread:
    """Stands for ``Options.default_apps``: this registry in one thread, the live one in all others."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.thread = threading.get_ident()

    def __get__(self, options: Any, owner: type) -> Apps:
        return self.registry if threading.get_ident() == self.thread else apps


@contextmanager
def making_aside(hidden: set[Key], gone: set[Key]) -> Iterator[Registry]:
    """Inside, models that this thread makes are made aside.

    Args:
        hidden: live models that are expected to be made anew.
        gone: live models whose statement has gone.
    """
    registry = Registry(hidden | gone | set(_list_tables(gone)))
    per_thread = _PerThread(registry)
    receivers = [(signal, list(signal.receivers)) for signal in _SIGNALS]
    registry.prepared, signals.class_prepared.receivers = signals.class_prepared.receivers, []
    lookups = [(model, list(model._meta.related_fkey_lookups)) for model in list_models()]
    Options.default_apps = per_thread
    type.__setattr__(ModelBase, "__setattr__", _make_setattr(registry, per_thread.thread))
    try:
        yield registry
        registry.resolve_rest(gone)
    finally:
        type.__delattr__(ModelBase, "__setattr__")
        signals.class_prepared.receivers = registry.prepared
        Options.default_apps = apps
        Apps.get_swappable_settings_name.cache_clear()  # it has kept the registry
        _take_out(receivers, registry)
        for model, known in lookups:
            model._meta.related_fkey_lookups[:] = known


def _list_tables(keys: set[Key]) -> Iterator[Key]:
    """The tables that Django has made for relations of some live models."""
    for model in filter(None, (apps.all_models.get(label, {}).get(name) for label, name in keys)):
        yield from (key_of(table) for table in map(own_table, own_fields(model)) if table is not None)


def _make_setattr(registry: Registry, thread: int) -> Any:
    live = {id(model) for model in list_models()}

    def __setattr__(cls: Any, name: str, value: Any) -> None:
        if id(cls) in live and threading.get_ident() == thread:
            registry.accessors.append((cls, name, value))
        else:
            type.__setattr__(cls, name, value)

    return __setattr__


def _take_out(before: list[tuple[Any, list[Any]]], registry: Registry) -> None:
    """Disconnect what was connected meanwhile; other threads hardly connect receivers of models later than at the start."""
    for signal, known in before:
        ids = {id(entry) for entry in known}
        if signal is not signals.class_prepared and (new := [each for each in signal.receivers if id(each) not in ids]):
            registry.connected += [(signal, entry) for entry in new]
            with signal.lock:
                signal.receivers = [entry for entry in signal.receivers if all(entry is not other for other in new)]
                signal.sender_receivers_cache.clear()
