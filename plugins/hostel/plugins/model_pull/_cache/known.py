"""What is known of a repository without asking anybody: the files it has at a commit.

A snapshot shows which files were pulled, not which others the repository has, so nobody can tell from it
whether a model is whole. Each pull therefore leaves the listing it chose from beside the blobs. Where there
is none (other tools leave none), the files of the snapshot are taken for all there are. Whoever may write to
a shared cache could leave listings too, so each user has files of his own and believes no other's.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from .._sources.remote_file import RemoteFile
from .layout import CachedRepo, open_own, renamed_to

MOST_FILES = 20_000
"""A listing of more files is not kept."""


def keep_listing(repo: CachedRepo, commit: str, files: Sequence[RemoteFile]) -> None:
    """Remember the files of a repository at a commit; a disk that refuses is none of the pull's concern."""
    path = _listing_of(repo, commit)
    if path.exists() or len(files) > MOST_FILES:
        return
    rows = [[file.path, file.size, file.sha256, file.git_oid] for file in files]
    with suppress(OSError), renamed_to(path) as draft:
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(rows), encoding="utf-8")


def known_files(repo: CachedRepo, revision: str) -> list[RemoteFile] | None:
    """Return the files that the repository had when its branch, tag or commit was seen last; None if it never
    was. Blocks.
    """
    commit = repo.commit_of(revision)
    if commit is None:
        return None
    return _kept(repo, commit) or list(_linked(repo, commit)) or None


def _kept(repo: CachedRepo, commit: str) -> list[RemoteFile]:
    try:
        with os.fdopen(open_own(_listing_of(repo, commit), os.O_RDONLY), encoding="utf-8") as file:
            rows = json.load(file)
        return [_file(commit, path, size, sha256, oid) for path, size, sha256, oid in rows]
    except (OSError, ValueError, TypeError):
        return []


def _linked(repo: CachedRepo, commit: str) -> Iterator[RemoteFile]:
    folder = repo.snapshot(commit)
    for path, key in repo.links(commit):
        size = None
        with suppress(OSError):
            size = repo.blob(key).stat().st_size
        is_large = len(key) == len("f" * 64)
        yield _file(
            commit, path.relative_to(folder).as_posix(), size, *((key, None) if is_large else (None, key))
        )


def _file(commit: str, path: str, size: int | None, sha256: str | None, oid: str | None) -> RemoteFile:
    return RemoteFile(path=path, size=size, sha256=sha256, url="", git_oid=oid, commit=commit)


def _listing_of(repo: CachedRepo, commit: str) -> Path:
    return repo.folder / f".hostel-listing-{os.geteuid()}-{commit}"
