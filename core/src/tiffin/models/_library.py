"""Saving, finding, loading, changing and deleting models, and trusting them."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tiffin.model import Model
from tiffin.models._default import default_store
from tiffin.store import ModelStore
from tiffin.tags import Tag

if TYPE_CHECKING:
    from tiffin.info import Difference, ModelOptions
    from tiffin.store import NewFolder
    from tiffin.trust import TrustReport


def save(
    name: str | Tag,
    model: object,
    *,
    framework: str | None = None,
    signatures: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    card: str | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    external_modules: Iterable[ModuleType] | None = None,
    input_example: Any = None,
    examples: Any = None,
    partial_kwargs: Mapping[str, Mapping[str, Any]] | None = None,
    trial_load: bool = False,
    overwrite: bool = False,
    store: ModelStore | None = None,
    **options: Any,
) -> Model:
    """Save an object as a new version of a model.

    The adapter is the installed one that claims the object's class most closely. When this returns, the version is on
    disk and visible to others, whole; when it raises, nothing is.

    Args:
        name: the model's name, or `name:version`; without a version one is made that sorts by time.
        model: the object. Not changed.
        framework: the adapter's name, instead of looking for it.
        signatures: method → `ModelSignature`, or a dict with its fields; default: what the adapter says.
        labels: strings to search by.
        metadata: numbers, strings, dates, numpy values, and lists and dicts of these; kept as plain values.
        card: a text about the model in Markdown, for people; see `tiffin models card`.
        custom_objects: name → any object to keep with the model, each stored by the adapter that claims it.
        external_modules: modules whose classes and functions are stored by value, so that loading needs no install of them.
        input_example: one input of the methods in the signatures, if any; `tiffin.Arguments` for several arguments. Each
            method is run on it once, and its input and output specs are taken from what went in and came out, or checked if
            given.
        examples: inputs to keep with what the model answers, so that `check` can replay them later: one, as an
            `input_example`; several, as `tiffin.Examples(first, second)`; or `True` for the input example. Implies an
            `input_example`: the first of them. Inputs are kept as they are, and travel with the model.
        partial_kwargs: method → keyword arguments that every call of the runnable gets unless it gives its own.
        trial_load: whether the version is loaded once in a clean process before it is published, and refused if that fails.
            Costs the start of a Python, the import of the framework, and the load: often a second or more.
        overwrite: whether an existing version is replaced, in one step.
        store: another store than the default one.
        options: options of the adapter.

    Returns:
        A handle on the new version.

    Raises:
        InvalidTagError: the name or version breaks the naming rules.
        ModelExistsError: the version exists.
        AdapterNotFoundError: no adapter stores such objects.
        ModelTypeError: the named adapter does not store such objects, or `model` is `None`.
        SignatureError, PartialKwargsError, LabelError, MetadataError: what was given does not fit the object.
        ExamplesError: an example has no form in plain values and arrays, or is too large.
        PicklingError: a part of the object cannot be stored, or a trial load failed.
        StorageFullError, ReadOnlyStoreError: the store's disk refused.
    """
    from tiffin.store.request import SaveRequest

    request = SaveRequest(
        name,
        model,
        framework=framework,
        signatures=signatures,
        labels=labels,
        metadata=metadata,
        card=card,
        custom_objects=custom_objects,
        external_modules=external_modules,
        input_example=input_example,
        examples=examples,
        partial_kwargs=partial_kwargs,
        trial_load=trial_load,
        overwrite=overwrite,
        options=options,
    )
    return (store or default_store()).save_requested(request)


def load(
    tag: str | Tag, *, trust: bool = False, check: bool = False, store: ModelStore | None = None, **options: Any
) -> Any:
    """Load a model with the adapter that saved it, and return the object; see `Model.load`.

    Loading can run code that is stored in the model's files. A model from elsewhere that has such files is refused, unless
    it is trusted or all that it would import is allowed by the installed adapters.

    Args:
        tag, store: as for `get`.
        trust: whether you trust who made it, where it comes from elsewhere; this is noted in the store.
        check: whether the examples that it was saved with are replayed first, on an object of their own; see
            `tiffin.models.check`. Equal and close answers pass.
        options: options of the adapter for this load, in place of the recorded ones.

    Raises:
        SignatureError: the adapter has no such option.
        UntrustedModelError: it comes from elsewhere, could run code, and is not trusted. Nothing of it was loaded.
        ModelNotFoundError: there is no such model.
        AdapterNotFoundError: its adapter is not installed.
        PredictionsDifferError: `check` is asked for, and it answers otherwise than when it was saved.
        ExamplesError: `check` is asked for, and it has no examples.
    """
    store = store or default_store()
    model = store.get(tag)
    if options:
        model = model.with_options(**options)
    loaded = model.load(trust=trust)
    if check:
        from tiffin.models._replaying import replay

        replay(model, store.examples(model.info.content_digest)).require_near()
    return loaded


def get(tag: str | Tag, *, store: ModelStore | None = None) -> Model:
    """Return the handle on one version.

    Args:
        tag: `name` or `name:latest` for the newest; `name:version`, `name:alias`, or a unique beginning of a version.
        store: another store than the default one.

    Raises:
        InvalidTagError, ModelNotFoundError, AmbiguousTagError, RecordError: the tag means no valid version.
    """
    return (store or default_store()).get(tag)


def list(
    tag: str | Tag | None = None,
    *,
    labels: Mapping[str, str | None] | None = None,
    framework: str | None = None,
    where: str | None = None,
    sort: str | Iterable[str] | None = None,
    limit: int | None = None,
    store: ModelStore | None = None,
) -> builtins.list[Model]:
    """Return handles on versions, by name, newest first.

    Args:
        tag: only this name's; with a version, only what it means.
        labels: only those with all these labels; a value of `None` stands for any value.
        framework: only those that this adapter saved.
        where: a query: 'metadata.accuracy > 0.9 and labels.team == "ml"'. It is parsed, and never evaluated as code.
        sort: a field ("metadata.accuracy") or several; "-" before one means the largest first. What lacks it comes last.
        limit: at most so many.
        store: another store than the default one.

    Raises:
        ModelNotFoundError: there is no model of the name, or no such version.
        QueryError: the query, or a field to sort by, cannot be read.

    Warns:
        StoreWarning: something in the store is not a model; it is passed over.
    """
    store = store or default_store()
    found = store.list(str(tag) if tag is not None else None, labels=labels, framework=framework)
    if where is None and sort is None and limit is None:
        return found
    from tiffin.info import select

    order = [] if sort is None else [sort] if isinstance(sort, str) else [*sort]
    return select(found, where=where, sort=order, limit=limit)


def diff(first: str | Tag, second: str | Tag, *, store: ModelStore | None = None) -> builtins.list[Difference]:
    """Return in what the records of two versions differ: labels, metadata, options, signatures, files, environment, ….

    Args:
        first, second: which versions.
        store: another store than the default one.

    Raises:
        ModelNotFoundError, AmbiguousTagError: a tag means none, or several.
    """
    from tiffin.info import compare

    return compare(get(first, store=store).info, get(second, store=store).info)


def card(tag: str | Tag, *, store: ModelStore | None = None) -> str:
    """Return a version's card as Markdown: its text, and below it metrics, signatures and record. Set it with `edit`.

    Args:
        tag: which version.
        store: another store than the default one.

    Raises:
        ModelNotFoundError, AmbiguousTagError: the tag means none, or several.
    """
    from tiffin.info import render_card

    return render_card(get(tag, store=store).info)


def create(
    name: str | Tag,
    *,
    labels: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    card: str | None = None,
    signatures: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | ModelOptions | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    external_modules: Iterable[ModuleType] | None = None,
    overwrite: bool = False,
    store: ModelStore | None = None,
) -> AbstractContextManager[NewFolder]:
    """Make a version of a raw folder of files: `with tiffin.models.create("bert") as new: ...` writes below `new.path`.

    At the end of the block the version is published; an exception publishes nothing. All that is said of it may be changed
    on `new` within the block; afterwards `new.model` is its handle, and `new.path`, `path_of` and `info` are the version's.

    Args:
        name: the model's name, or `name:version`.
        labels, metadata, card: as for `save`.
        signatures: as for `save`. Nothing here runs the methods: they are a note for whoever reads the files.
        options: plain values for whoever reads the files. Unlike metadata they are a part of the content, and stay.
        custom_objects, external_modules: as for `save`.
        overwrite: whether an existing version is replaced, in one step.
        store: another store than the default one.

    Raises:
        ModelExistsError: the version exists.
        LabelError, MetadataError, SignatureError: a value is not allowed.
        StoreError: the folder holds links, special files, or names that Tiffin keeps for itself.
    """
    return (store or default_store()).create(
        name,
        labels=labels,
        metadata=metadata,
        card=card,
        overwrite=overwrite,
        signatures=signatures,
        options=options,
        custom_objects=custom_objects,
        external_modules=external_modules,
    )


def delete(
    tag: str | Tag, *, force: bool = False, now: bool = False, store: ModelStore | None = None
) -> builtins.list[Tag]:
    """Delete one version, or all versions of a name. They can be had back for some days: see `undelete`.

    Args:
        tag: a name alone stands for all its versions; those that an alias means are spared unless forced.
        force: whether versions that an alias means are deleted, too, and these aliases with them.
        now: whether what they alone have is freed at once, and they cannot be had back.
        store: another store than the default one.

    Returns:
        The tags of what was deleted.

    Raises:
        ModelNotFoundError, AmbiguousTagError: the tag means no version, or several.
        AliasedVersionError: it means one version, which has an alias, and `force` is false.

    Warns:
        StoreWarning: a version was spared.
    """
    return (store or default_store()).delete(tag, force=force, now=now)


def prune(name: str, keep: int, *, dry_run: bool = False, store: ModelStore | None = None) -> builtins.list[Tag]:
    """Delete all but the `keep` newest versions of a name; versions with an alias stay. Returns the deleted tags.

    Raises:
        ModelNotFoundError: there is no model of the name.
    """
    return (store or default_store()).prune(name, keep, dry_run=dry_run)


def edit(
    tag: str | Tag,
    *,
    labels: Mapping[str, str | None] | None = None,
    metadata: Mapping[str, Any] | None = None,
    card: str | None = None,
    replace: bool = False,
    store: ModelStore | None = None,
) -> Model:
    """Change a version's labels, metadata and card; a label or field with the value `None` is removed.

    Args:
        tag: which version.
        labels, metadata: what to set.
        card: the text to set; an empty one removes it.
        replace: whether labels and fields that are not named are removed.
        store: another store than the default one.

    Raises:
        ModelNotFoundError: there is no such version.
        LabelError, MetadataError: a value is not allowed.
    """
    return (store or default_store()).edit(tag, labels=labels, metadata=metadata, card=card, replace=replace)


def label(tag: str | Tag, *, store: ModelStore | None = None, **labels: str | None) -> Model:
    """Set labels of a version, as keywords; `None` removes one. See `edit` for keys that are no Python names."""
    return edit(tag, labels=labels, store=store)


def inspect(tag: str | Tag, *, store: ModelStore | None = None) -> TrustReport:
    """Return what a version's files would import when they are loaded, and whether they may be. Loads and runs nothing.

    Raises:
        ModelNotFoundError: there is no such version.
    """
    return (store or default_store()).inspect(tag)


def trust(tag: str | Tag, *, content_digest: str | None = None, store: ModelStore | None = None) -> Model:
    """Let a version from elsewhere be loaded, whatever code it runs. Holds for its content, under every tag.

    Args:
        tag: which version.
        content_digest: of the content that was looked at, as `inspect` tells it; another content is not trusted.
        store: another store than the default one.

    Raises:
        ModelNotFoundError: there is no such version.
        UntrustedModelError: its content is another one, or its files are not those that its record lists.
        ReadOnlyStoreError: the store may not be written to.
    """
    return (store or default_store()).trust(tag, content_digest=content_digest)


def untrust(tag: str | Tag, *, store: ModelStore | None = None) -> Model:
    """Take back what `trust` gave; what was saved here is trusted all the same.

    Raises:
        ModelNotFoundError: there is no such version.
    """
    return (store or default_store()).untrust(tag)
