"""What lies in a cache: a row for each snapshot of a model that has files.

Others write to the cache meanwhile, so what vanishes while it is read is left out. Links are followed to
blobs and never into folders."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import attrs

LONGEST_REF = 100
PREFIX = "models--"


@attrs.frozen
class CachedModel:
    """One snapshot of one repository.

    :ivar refs: branches and tags that stand there
    :ivar size: bytes, each blob counted once; other snapshots may share them
    :ivar modified_at: when its newest file was written, seconds since the epoch, UTC
    """

    repo_id: str
    commit: str
    refs: tuple[str, ...]
    files: int
    size: int
    modified_at: float
    folder: Path

    @property
    def id(self) -> str:
        """Return what tells it apart."""
        return f"{self.repo_id}@{self.commit}"


def cached_models(cache_dir: Path) -> list[CachedModel]:
    """Read a whole cache, which takes a while, sorted by id; one that is not there is empty.

    :raises OSError: if the cache itself cannot be read
    """
    try:
        repos = [entry for entry in os.scandir(cache_dir) if entry.name.startswith(PREFIX)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = [model for repo in repos for model in _models_of(Path(repo.path))]
    return sorted(found, key=lambda model: model.id)


def _models_of(repo: Path) -> Iterator[CachedModel]:
    repo_id = repo.name.removeprefix(PREFIX).replace("--", "/")
    refs = list(_refs(repo / "refs"))
    for entry in _entries(repo / "snapshots"):
        blobs = {(stat.st_dev, stat.st_ino): stat for stat in _stats(Path(entry.path))}
        if blobs:
            yield CachedModel(
                repo_id,
                entry.name,
                tuple(sorted(name for name, commit in refs if commit == entry.name)),
                len(blobs),
                sum(stat.st_size for stat in blobs.values()),
                max(stat.st_mtime for stat in blobs.values()),
                Path(entry.path),
            )


def _refs(folder: Path) -> Iterator[tuple[str, str]]:
    for path in _files(folder):
        with suppress(OSError, UnicodeError), path.open(encoding="ascii") as file:
            yield path.relative_to(folder).as_posix(), file.read(LONGEST_REF).strip()


def _stats(folder: Path) -> Iterator[os.stat_result]:
    for path in _files(folder):
        with suppress(OSError):
            yield path.stat()


def _files(folder: Path) -> Iterator[Path]:
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path))
        else:
            with suppress(OSError):
                if entry.is_file():
                    yield Path(entry.path)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(folder) as entries:
        return list(entries)
    return []
