"""One pull, decided: which files, from where, to which places in the cache. Nothing is written yet."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import anyio.to_thread
import attrs

from .. import _settings
from .._cache.known import known_files
from .._cache.layout import CachedRepo
from .._errors import BadResponse, PullError, Unreachable
from .._select.files import Selection, filtered, offered, whole
from .._select.formats import Format
from .._select.quantization import PREFERENCE, Choice, QuantOption
from .._sources.base import ModelSource, source_for
from .._sources.reference import HUB, Reference
from .._sources.remote_file import RemoteFile
from .._sources.secrets import without_secret
from .download_request import DownloadId

MAIN = "main"
Advise = Callable[[str, Sequence[QuantOption]], Awaitable[str | None]]


@attrs.frozen
class PullOptions:
    """How a model is picked from its repository and where it goes.

    :ivar cache_dir: None is the cache of huggingface_hub
    :ivar preference: quantization labels, most wanted first
    :ivar budget: bytes of memory or disk that the model may take, None for no limit
    :ivar include: patterns; where given without a quantization, exactly what matches is pulled
    :ivar exclude: patterns of what is left out
    :ivar format: the format of the weights; None leaves it to the name and the order of preference
    """

    cache_dir: Path | None = None
    preference: tuple[str, ...] = PREFERENCE
    budget: int | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    format: Format | None = None


DEFAULT_OPTIONS = PullOptions()


@attrs.frozen
class PlannedFile:
    """A remote file and the key of its blob."""

    remote: RemoteFile
    key: str


@attrs.frozen
class PullPlan:
    """What one pull will do.

    :ivar id: what the download is called
    :ivar main: the path that a program loads; None if that is the folder
    :ivar format: the format of the weights, None where none was chosen
    :ivar notices: what the user may want to know of the choice
    :ivar unreached: why the hub was not asked, so that all files are those of the cache; None if it was
    :ivar listed: all files of the repository at this commit
    """

    id: str
    reference: Reference
    repo: CachedRepo
    commit: str
    files: tuple[PlannedFile, ...]
    choice: Choice | None
    main: str | None
    format: Format | None = None
    notices: tuple[str, ...] = ()
    unreached: Unreachable | None = None
    listed: tuple[RemoteFile, ...] = attrs.field(default=(), repr=False)

    @property
    def ref(self) -> str:
        """Return what will point at the commit: a branch or tag, or the commit itself."""
        if self.reference.scheme != HUB:
            return MAIN
        return self.reference.revision or MAIN

    @property
    def total(self) -> int | None:
        """Return the bytes of all files, None if one of them is unknown."""
        sizes = [file.remote.size for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    def present(self) -> list[int]:
        """Return which files are in the cache already."""
        return [i for i, file in enumerate(self.files) if self.repo.holds(file.key, file.remote.size)]

    @property
    def blobs(self) -> list[tuple[Path, int | None]]:
        return [(self.repo.blob(file.key), file.remote.size) for file in self.files]


async def plan_pull(
    reference: Reference,
    sources: Iterable[ModelSource],
    options: PullOptions,
    *,
    advise: Advise | None = None,
) -> PullPlan:
    """Resolve a reference and choose its files; from the cache alone if a hub that does not answer has been
    asked before.

    :param advise: asked for a quantization when the user named none
    :raises PullError: if the model cannot be listed, is not safe to write, or the choice is not clear
    """
    source = source_for(reference, sources)
    repo = CachedRepo(_cache(options.cache_dir), _repo_id(reference))
    try:
        listed = await source.resolve(reference)
    except Unreachable as error:
        if reference.scheme != HUB:
            raise
        return await _plan_of_cache(reference, repo, options, advise, error)
    return await _plan(reference, repo, listed, options, advise)


async def _plan_of_cache(
    reference: Reference, repo: CachedRepo, options: PullOptions, advise: Advise | None, why: Unreachable
) -> PullPlan:
    known = await anyio.to_thread.run_sync(known_files, repo, reference.revision or MAIN)
    if known is None:
        raise why
    try:
        plan = attrs.evolve(await _plan(reference, repo, known, options, advise), unreached=why)
    except PullError as error:
        raise attrs.evolve(why, reason=f"{why.reason}, and in the cache: {error}") from error
    missing = len(plan.files) - len(await anyio.to_thread.run_sync(plan.present))
    if missing:
        what = f"{missing} of the {len(plan.files)} files are not in the cache"
        raise attrs.evolve(why, reason=f"{why.reason}, and {what}")
    return plan


async def _plan(
    reference: Reference,
    repo: CachedRepo,
    listed: Sequence[RemoteFile],
    options: PullOptions,
    advise: Advise | None,
) -> PullPlan:
    files = filtered(listed, options.include, options.exclude)
    selection = await _select(reference, files, options, advise)
    planned = tuple(PlannedFile(file, blob_key(file)) for file in selection.files)
    return PullPlan(
        _name(reference, selection.choice, options),
        reference,
        repo,
        _commit(listed, planned),
        planned,
        selection.choice,
        selection.main,
        selection.format,
        selection.notices,
        listed=tuple(listed),
    )


def blob_key(file: RemoteFile) -> str:
    """Return the checksum of the content, or of what tells this content from others where there is none."""
    if file.digest is not None:
        return file.digest.value
    url = without_secret(file.url) if file.version else file.url  # a fresh signature is not another content
    identity = "\0".join(map(str, (url, file.version, file.size)))
    return hashlib.sha256(identity.encode()).hexdigest()


async def _select(
    reference: Reference, files: Sequence[RemoteFile], options: PullOptions, advise: Advise | None
) -> Selection:
    model, wanted = reference.model_id, reference.quantization
    if reference.path is not None:
        named = [file for file in files if file.path == reference.path]
        return whole(f"{model} ({reference.path})", named, options.budget)
    if wanted is None and options.include and options.format is None:
        return whole(model, files, options.budget)
    offer = offered(
        model, files, options.format, quantized=wanted is not None, budgeted=options.budget is not None
    )
    if wanted is None and not offer.options:
        return offer.whole(options.budget)
    advice = await advise(model, offer.options) if advise is not None and wanted is None else None
    return offer.taking(wanted, preference=options.preference, budget=options.budget, advice=advice)


def _name(reference: Reference, choice: Choice | None, options: PullOptions) -> str:
    special: tuple[object, ...] = (options.cache_dir, options.include, options.exclude, reference.path)
    usual: tuple[object, ...] = (None, (), (), None)
    # of a quantization the format is known
    if options.format is not None and choice is None:
        special = (*special, options.format.value)
    variant = hashlib.sha256(repr(special).encode()).hexdigest()[:6] if special != usual else None
    revision = None if reference.revision == MAIN else reference.revision
    quantization = choice.option.name if choice else None
    return str(DownloadId(reference.model_id, quantization, revision, variant))


def _cache(chosen: Path | None) -> Path:
    return (chosen or _settings.hub_cache()).expanduser().absolute()


def _repo_id(reference: Reference) -> str:
    if reference.scheme == HUB:
        return reference.name
    parts = urlsplit(reference.model_id)
    owner = parts.netloc.rpartition("@")[2] if parts.netloc else "local"
    stem = PurePosixPath(parts.path.replace("\\", "/")).name
    # two addresses may end in the same name
    mark = hashlib.sha256(reference.model_id.encode()).hexdigest()[:8]
    return f"{_word(owner)[:40]}/{_word(stem)[:40]}-{mark}"


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+|\.{2,}", "-", text).strip("-.") or "model"


def _commit(listed: Sequence[RemoteFile], planned: Iterable[PlannedFile]) -> str:
    commits = {file.commit for file in listed}
    if len(commits) > 1:
        raise BadResponse(listed[0].url, "its files belong to several commits")
    commit = commits.pop() if commits else None
    if commit is not None:
        return commit
    # a source without commits: what is listed is what it is called by
    identity = "".join(sorted(f"{file.remote.path}\0{file.key}\n" for file in planned))
    return hashlib.sha1(identity.encode(), usedforsecurity=False).hexdigest()
