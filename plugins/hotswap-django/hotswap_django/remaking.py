"""A live model becomes what its text makes of it now, and stays the same class with the same ``_meta`` and the same fields.

    made aside                               goes into
    the class's own attributes of Django     the live class: descriptors, managers, ``get_FIELD_display`` and the like
    ``_meta``                                the contents of the live ``_meta``
    a field of the same name and class       the contents of the live field; the same for its relation and its own table
    any other field                          itself
    an accessor on a model that stays        that model's class
    a new model                              the registry of models, as itself
    methods, plain attributes, classes       left to hotswap, as in any class

What Django has computed from models (``drop_caches``) is dropped by the same swap, and again when that is taken back. All of this
is prepared here and written by the swap, in its one instant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

import attrs
from django.apps import apps
from django.db.models.sql import Query

from hotswap.collector import list_objects
from hotswap.commit import Swap, Write, del_class, del_item, set_class, set_contents, set_item
from hotswap.model import Finding, Plan, Severity
from hotswap.plugin import ClassPair, Refusal, Shape
from hotswap_django.anatomy import (
    accessors,
    cache_name,
    drop_caches,
    in_order_of_text,
    is_accessor,
    made_by_django,
    maker_of,
    own_fields,
    own_table,
    relation_of,
    set_state,
)  # fmt: skip
from hotswap_django.aside import Key, Registry, key_of, list_models
from hotswap_django.holding import shape_of

Resolve = Callable[[Any], Any]


@attrs.define(eq=False)
class Remade:
    """A live model, and what was made of its text aside; the class that was made is not kept here.

    Attributes:
        live: the class that the program uses.
        meta: the new ``_meta``.
        fields: the new fields, each with the live one whose contents it becomes, or None.
        parts: fields and relations whose contents go into the live ones behind them.
        limits: what limits the choices of new relations, with the model on the other side.
        before: the live fields.
        targets: the models that new fields lead to, by the field's name.
        names: attributes of the new class that Django has made.
        counts: its contents are exchanged; otherwise it was made because others need it.
        table: its table, as it was.
    """

    live: Any
    meta: Any
    fields: list[tuple[Any, Any]]
    before: list[Any]
    names: dict[str, Any]
    parts: list[tuple[Any, Any]] = attrs.Factory(list)
    limits: list[tuple[Any, Any]] = attrs.Factory(list)
    targets: dict[str, Key | None] = attrs.Factory(dict)
    counts: bool = False
    table: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.table = self.live._meta.db_table


@attrs.define(eq=False)
class Remaking:
    """What one swap does to models.

    Attributes:
        registry: in which they were made aside.
        gone: models whose statements have gone.
        plan: what is made live.
    """

    registry: Registry
    gone: set[Key]
    plan: Plan
    _models: dict[int, Remade] = attrs.Factory(dict)  # by id of the live class
    _shapes: dict[int, Shape | None] = attrs.Factory(dict)  # by id of the class, live or made aside
    _tables: dict[int, list[Any]] = attrs.Factory(dict)  # by id of a live class: live tables of its relations

    # ---- pairing ----

    def pair(self, live: Any, staged: Any) -> Iterator[tuple[object, object]]:
        """The objects of a model that live on, each behind the one made aside.

        Raises:
            Refusal: the model cannot become that.
        """
        if why := _why_another(live, staged):
            raise Refusal(refused(live, why))
        yield from self._pair(live, staged)

    def _pair(self, live: Any, staged: Any) -> Iterator[tuple[object, object]]:
        before = {field.name: field for field in own_fields(live)}
        fields = [(field, _twin(field, before.get(field.name))) for field in own_fields(staged)]
        remade = Remade(live, staged._meta, fields, list(before.values()), made_by_django(staged))
        self._models[id(live)] = remade
        _register_in(apps, staged._meta)
        self._shapes |= {id(staged): shape_of(staged, live), id(live): shape_of(live, staged)}
        yield staged._meta, live._meta
        for field, twin in fields:
            relation = relation_of(field)
            remade.targets[field.name] = _target(field)
            if limit := getattr(relation, "limit_choices_to", None):
                remade.limits.append((relation.model, limit))
            if twin is None:
                continue
            remade.parts.append((field, twin))
            if relation is not None and type(relation) is type(relation_of(twin)):
                remade.parts.append((relation, relation_of(twin)))
            table, known = own_table(field), own_table(twin)
            if table is not None and known is not None and key_of(table) == key_of(known):
                self._tables.setdefault(id(live), []).append(known)
                yield table, known
                yield from ((error, vars(known)[name]) for name, error in vars(table).items() if isinstance(error, type))
                yield from self._pair(known, table)
        yield from remade.parts

    def shape(self, cls: type) -> Shape | None:
        """What objects of a model hold, also of one that was made aside."""
        return self._shapes[id(cls)] if id(cls) in self._shapes else shape_of(cls)

    # ---- writes ----

    def rebuild(self, pair: ClassPair, swap: Swap, resolve: Resolve) -> set[str]:
        """Prepare what a model and the tables of its relations become; gives the attributes that are taken care of."""
        if (remade := self._models.get(id(pair.live))) is None:
            return set()
        done = _rebuild(remade, swap, resolve)
        for table in self._tables.get(id(pair.live), ()):
            _rebuild(self._models[id(table)], swap, resolve)
        return {"_meta", *done}

    def finish(self, swap: Swap) -> bool:
        """Prepare what concerns other models and the registry; False where no model changes.

        Raises:
            Refusal: something is left behind.
        """
        rebuilt = [remade for remade in self._models.values() if remade.counts]
        new, gone = self._find_new(), self._find_gone(rebuilt)
        if not (rebuilt or new or gone):
            return False
        models = [model for model in list_models() if model not in gone]
        _check_children(rebuilt, models)
        self._check_names(rebuilt, models)
        self._check_receivers()
        self._move_accessors(swap, rebuilt, new, gone)
        for model in new:
            _register_in(apps, model._meta)
        names = {id(remade.live): remade.meta for remade in self._models.values()}
        texts = {key: meta.object_name for key, meta in names.items()}
        for label in {model._meta.app_label for model in [*new, *gone, *(remade.live for remade in rebuilt)]}:
            table = apps.all_models[label]
            own = [model for model in [*models, *new] if model._meta.app_label == label]
            ordered = in_order_of_text(own, self.registry.made, texts)
            named = {names.get(id(model), model._meta).model_name: model for model in ordered}
            if [*table.items()] != [*named.items()]:
                swap.add(*set_contents(table, named))
        swap.add(*self._limit_choices(rebuilt, new, models))
        for remade in rebuilt:
            swap.add(*_forget_related(remade))
        swap.add(*self._rename_tables())
        swap.add(*drop_caches([*list_models(), *new]))
        return True

    def _find_new(self) -> list[Any]:
        """Those made aside that no live model stands for."""
        known = {id(model) for model in list_models()}
        return [model for model in self.registry.made if id(model) not in known and model._meta.apps is self.registry]

    def _find_gone(self, rebuilt: list[Remade]) -> list[Any]:
        """Live models whose statement has gone and that no other module has now; tables of relations that have gone."""
        made = {key_of(model) for model in self.registry.made}
        live = [apps.all_models.get(label, {}).get(name) for label, name in self.gone - made]
        found = [model for model in live if model is not None]
        fields = [field for model in found for field in own_fields(model)]
        fields += [field for remade in rebuilt for field in remade.before]
        tables = [table for table in map(own_table, fields) if table is not None and id(table) not in self._models]
        return [*found, *(table for table in tables if key_of(table)[1] in apps.all_models[key_of(table)[0]])]

    def _check_names(self, rebuilt: list[Remade], models: list[Any]) -> None:
        """Who leads to a model by a name that it has no more would find nothing at a start."""
        made = {id(remade.live) for remade in self._models.values()}
        for remade in (each for each in rebuilt if each.meta.model_name != each.live._meta.model_name):
            for model in (model for model in models if id(model) not in made):
                if any(_target(field) == key_of(remade.live) for field in own_fields(model)):
                    raise Refusal(refused(remade.live, f"{name_of(model)} leads to it by its name, which is another one now"))

    def _check_receivers(self) -> None:
        """Who is told of each model that is made; a field that connects a receiver (``ImageField``), unless the live one has."""
        if self.registry.prepared:
            names = ", ".join(str(getattr(entry[1], "__name__", entry[1])) for entry in self.registry.prepared)
            message = f"receivers of class_prepared are called once for each model, when it is made: {names}"
            raise Refusal(Finding(code="HS206", severity=Severity.HELD, next_step="restart", message=message))
        pairs = [pair for remade in self._models.values() for pair in remade.fields]
        for signal, entry in self.registry.connected:
            receiver = entry[1]()
            field = getattr(receiver, "__self__", None)
            twin = next((live for made, live in pairs if made is field), None)
            known = [getattr(each[1](), "__self__", None) for each in list(signal.receivers) if callable(each[1])]
            if receiver is not None and (twin is None or all(each is not twin for each in known)):
                message = f"{field or receiver} connects a receiver of signals, which is done where it is made"
                raise Refusal(Finding(code="HS206", severity=Severity.HELD, next_step="restart", message=message))

    def _move_accessors(self, swap: Swap, rebuilt: list[Remade], new: list[Any], gone: list[Any]) -> None:
        """On the other side of relations: accessors that come and go."""
        makers = {id(remade.live) for remade in rebuilt} | {id(model) for model in new}
        before = makers | {id(model) for model in gone}
        coming = {(id(cls), name): value for cls, name, value in self.registry.accessors if id(maker_of(value)) in makers}
        for remade in self._models.values():  # set on the class that was made aside
            found = {name: value for name, value in remade.names.items() if is_accessor(value)}
            coming |= {(id(remade.live), name): value for name, value in found.items() if id(maker_of(value)) in makers}
        for model in (model for model in list_models() if model not in gone):
            for name, value in accessors(model).items():
                if id(maker_of(value)) in before and (id(model), name) not in coming:
                    swap.add(del_class(model, name, f"{name_of(model)}.{name} removed"))
            for (number, name), value in coming.items():
                if number == id(model):
                    swap.add(set_class(model, name, value, f"{name_of(model)}.{name} added"))

    def _rename_tables(self) -> Iterator[Write]:
        """Queries that exist have noted by which name a table went; all else they ask their fields for."""
        tables = {key: (each.table, new) for key, each in self._models.items() if each.table != (new := each.meta.db_table)}
        live = list_objects(Query)[0] if tables else []
        made = [(query, _with_tables(query, renamed)) for query in live if (renamed := _find_renamed(query, tables))]
        for query, new in made:
            yield from set_contents(vars(query), vars(new))
        known = [*live, *(new for _, new in made)]
        while made and (copies := _list_besides(known)):  # subqueries of these
            known += copies
            for query in copies:
                if renamed := _find_renamed(query, tables):
                    vars(query).update(vars(_with_tables(query, renamed)))

    def _limit_choices(self, rebuilt: list[Remade], new: list[Any], models: list[Any]) -> Iterator[Write]:
        """What relations to a model limit its choices to, which the admin asks the model for."""
        made = {id(remade.live) for remade in rebuilt}
        stay = [field for model in [*models, *new] if id(model) not in made for field in own_fields(model)]
        limits = [(field.remote_field.model, limit) for field in stay if (limit := _limit_of(field))]
        # The ``_meta`` of a model that was made aside is the live one by now, and knows the live class.
        limits += [(model._meta.model, limit) for each in rebuilt for model, limit in each.limits if not isinstance(model, str)]
        for model in models:
            own = [limit for other, limit in limits if other is model]
            if own or model._meta.related_fkey_lookups or id(model) in made:
                yield set_item(vars(model._meta), "related_fkey_lookups", own)


def _find_renamed(query: Any, tables: dict[int, tuple[str, str]]) -> dict[str, str]:
    """The new tables of a query, by alias.

    Args:
        tables: by id of a model, what it had and what it gets.
    """
    found = {}
    for alias, item in query.alias_map.items():
        model = item.join_field.related_model if item.join_type else query.model
        old, new = tables.get(id(getattr(getattr(model, "_meta", None), "concrete_model", None)), ("", ""))
        if old and item.table_name == old:
            found[alias] = new
    return found


def _list_besides(known: list[Any]) -> list[Any]:
    ids = set(map(id, known))
    return [query for query in list_objects(Query)[0] if id(query) not in ids]


def _with_tables(query: Any, renamed: dict[str, str]) -> Any:
    """A copy of a query with other tables, which has them under their own names.

    Args:
        renamed: the new tables, by alias.
    """
    # Not one that goes by an alias, or would get the name of another table here.
    labels = {a: new for a, new in renamed.items() if query.alias_map[a].table_name == a and new not in query.alias_map}
    made, order = query.clone(), list(query.alias_map)
    made.table_map = {}
    for alias in order:
        item = copy(made.alias_map[alias])
        item.table_name = renamed.get(alias, item.table_name)
        made.alias_map[alias] = item.relabeled_clone(labels)  # tables that are joined to this one know its name
        made.table_map.setdefault(item.table_name, []).append(alias)
    made.change_aliases(labels)
    made.alias_map = {label: made.alias_map[label] for label in (labels.get(alias, alias) for alias in order)}
    return made


def name_of(model: Any) -> str:
    """A model for a person."""
    return f"{model.__module__}.{model.__qualname__}"


def refused(model: Any, why: str) -> Finding:
    """A model cannot change in place."""
    return Finding(code="HS206", severity=Severity.HELD, message=f"{name_of(model)}: {why}", next_step="restart")


def _why_another(live: Any, staged: Any) -> str:
    """Why a model cannot become what was made aside; empty where it can."""
    old, new = live._meta, staged._meta
    if (old.abstract, old.proxy) != (new.abstract, new.proxy):
        return "a model that becomes abstract, a proxy or neither has other tables and other rows"
    if old.abstract:
        return ""
    if old.app_label != new.app_label:
        return "it goes to another application"
    if (old.swappable, old.swapped) != (new.swappable, new.swapped):
        return "whether it can be swapped was decided at the start"
    if [key_of(parent) for parent in old.parents] != [key_of(parent) for parent in new.parents]:
        return "its parents are other models, so its rows are elsewhere"
    if old.proxy and key_of(old.concrete_model) != key_of(new.concrete_model):
        return "it is a proxy for another model"
    if (old.pk.name, type(old.pk)) != (new.pk.name, type(new.pk)):
        return "objects are known by its primary key, which is another field"
    return ""


def _twin(field: Any, live: Any) -> Any:
    """The live field whose contents a field becomes; None where it is a field of its own."""
    return live if type(live) is type(field) and type(relation_of(live)) is type(relation_of(field)) else None


def _rebuild(remade: Remade, swap: Swap, resolve: Resolve) -> set[str]:
    """Prepare the contents of a live model; gives the attributes that are taken care of, accessors of relations too."""
    remade.counts = True
    live, before = remade.live, made_by_django(remade.live)
    for name, value in remade.names.items():
        if not is_accessor(value) and (name not in vars(live) or vars(live)[name] is not resolve(value)):
            swap.add(set_class(live, name, resolve(value)))
    swap.add(*(del_class(live, name) for name, value in before.items() if name not in remade.names and not is_accessor(value)))
    swap.add(*set_state(live._meta, remade.meta))
    for part, twin in remade.parts:
        swap.add(*set_state(twin, part))
    return {*remade.names, *before}


def _check_children(rebuilt: list[Remade], models: list[Any]) -> None:
    """Models that inherit were made of what their parent was."""
    counts = {id(remade.live) for remade in rebuilt}
    for remade in rebuilt:
        for model in models:
            if id(model) not in counts and issubclass(model, remade.live):
                raise Refusal(refused(remade.live, f"{name_of(model)} inherits from it, and is not made anew with it"))


def _register_in(registry: Any, meta: Any) -> None:
    """Say that a model belongs to a registry, also where its text, or Django for a table, has named one."""
    meta.apps = registry
    if isinstance(meta.original_attrs.get("apps"), Registry):
        meta.original_attrs["apps"] = registry


def _limit_of(field: Any) -> Any:
    return getattr(relation_of(field), "limit_choices_to", None)


def _forget_related(remade: Remade) -> Iterator[Write]:
    """Objects that exist keep what a relation has led to: forgotten where it leads to another model now, or is gone."""
    left = [field for field in remade.before if _target(field) is not None and remade.targets.get(field.name) != _target(field)]
    names = [cache_name(field) for field in left]
    for item in list_objects(remade.live)[0] if names else ():
        kept = vars(item.__dict__.get("_state", object)).get("fields_cache", {})
        yield from (del_item(kept, name) for name in names if name in kept)


def _target(field: Any) -> Key | None:
    model = getattr(relation_of(field), "model", None)
    return key_of(model) if hasattr(model, "_meta") else None
