"""Where models come from."""

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from .reference import InvalidReference, Reference
from .remote_file import RemoteFile


class ModelSource(Protocol):
    """Resolves references of its schemes; a plugin offers its own through `register_model_sources`."""

    @property
    def schemes(self) -> Collection[str]:
        """Return what may stand before `://` in its references; `hf` is also what has no scheme."""
        ...

    async def resolve(self, reference: Reference) -> Sequence[RemoteFile]:
        """List every file of the model, all pinned to one commit where the source knows commits.

        The names are checked by the caller; sizes and checksums are used as far as they are given.

        :raises PullError: if the model cannot be listed
        """
        ...


def source_for(reference: Reference, sources: Iterable[ModelSource]) -> ModelSource:
    """Return the source of a reference; the first one that claims its scheme wins.

    :raises InvalidReference: if none does
    """
    for source in sources:
        if reference.scheme in source.schemes:
            return source
    raise InvalidReference(str(reference), f"no source is registered for {reference.scheme}://")
