"""The cache as huggingface_hub lays it out, so that what is pulled here is found there.

    models--org--name/blobs/<key>                 the bytes, under their checksum
    models--org--name/snapshots/<commit>/<path>   relative links to the blobs, else copies
    models--org--name/refs/<branch or tag>        the commit it was last seen at

Links and refs are made under another name and renamed, so a reader sees the old or the new. A snapshot
is linked when all its blobs are here. Nothing is written through a link below the folder of a repository:
others may write to a cache too.
"""

import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

import attrs

from .._errors import StorageFailed
from .._select.safe_paths import check_path

_KEY = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# This is a cache of models.\n"


@attrs.frozen
class CachedRepo:
    """The folder of one repository in the cache."""

    cache_dir: Path
    repo_id: str

    @property
    def folder(self) -> Path:
        return self.cache_dir / "--".join(["models", *self.repo_id.split("/")])

    def blob(self, key: str) -> Path:
        """Return where the bytes with this checksum belong.

        :raises ValueError: if the key is not a checksum
        """
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not a checksum")
        return self.blobs / key

    @property
    def blobs(self) -> Path:
        return self.folder / "blobs"

    def snapshot(self, commit: str) -> Path:
        """Return the folder of one commit.

        :raises ValueError: if it is not a commit
        """
        if not _COMMIT.fullmatch(commit):
            raise ValueError(f"{commit!r} is not a commit")
        return self.folder / "snapshots" / commit

    def prepare(self) -> None:
        """Make the folders that a pull writes to.

        :raises StorageFailed: if the cache cannot be written
        """
        with _storing(self.folder):
            for name in ("blobs", "snapshots", "refs"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError), (self.cache_dir / "CACHEDIR.TAG").open("x") as tag:
                tag.write(_TAG)
        if not os.access(self.folder / "blobs", os.W_OK):
            raise StorageFailed(self.folder / "blobs", "permission denied")

    def holds(self, key: str, size: int | None) -> bool:
        """Return whether the blob is here in full; a size of None is taken on trust."""
        try:
            found = self.blob(key).stat().st_size
        except OSError:
            return False
        return size is None or size == found

    def commit_of(self, revision: str) -> str | None:
        """Return the commit at which a branch or tag was seen last, a commit itself; None if it never was."""
        if _COMMIT.fullmatch(revision):
            return revision
        try:
            check_path(revision)
            text = self.folder.joinpath("refs", *PurePosixPath(revision).parts).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return None
        return text.strip() if _COMMIT.fullmatch(text.strip()) else None

    def links(self, commit: str) -> Iterator[tuple[Path, str]]:
        """Give each link of a snapshot with the key of the blob it leads to."""
        for path in sorted(self.snapshot(commit).rglob("*")):
            if path.is_symlink() and _KEY.fullmatch(path.readlink().name):
                yield path, path.readlink().name

    def drop_unlinked(self, blobs: Iterable[Path]) -> None:
        """Remove those blobs that no snapshot links to."""
        snapshots = self.folder / "snapshots"
        linked = {path.readlink().name for path in snapshots.rglob("*") if path.is_symlink()}
        with _storing(self.folder):
            for blob in blobs:
                if blob.name not in linked:
                    blob.unlink(missing_ok=True)

    def register(self, commit: str, files: Iterable[tuple[str, str]], *, revision: str | None = None) -> Path:
        """Link the files of a snapshot to their blobs and note where its branch or tag stands.

        :param files: path and key of each
        :param revision: the branch or tag that was asked for; None or a commit leaves no ref
        :return: the folder of the snapshot
        :raises StorageFailed: if the disk refuses
        """
        folder = self.snapshot(commit)
        with _storing(folder):
            self._make_folder(folder)
            for path, key in files:
                check_path(path)
                self._link(folder / path, self.blob(key))
            if revision is not None and revision != commit:
                self._point(revision, commit)
        return folder

    def _link(self, pointer: Path, blob: Path) -> None:
        if not blob.exists():
            raise StorageFailed(blob, "somebody has removed it")
        self._make_folder(pointer.parent)
        target = os.path.relpath(blob, pointer.parent)
        # what is right already is not touched, so that a reader never misses it
        if pointer.is_symlink() and pointer.readlink() == Path(target) and pointer.exists():
            return
        with renamed_to(pointer) as draft:
            try:
                draft.symlink_to(target)
            except OSError:
                # a file system without links
                shutil.copyfile(blob, draft)

    def _make_folder(self, folder: Path) -> None:
        """Make a folder of this repository; in a shared cache somebody may have planted a link there."""
        folder.mkdir(parents=True, exist_ok=True)
        if folder.resolve() != self.folder.resolve() / folder.relative_to(self.folder):
            raise StorageFailed(folder, "a link leads out of the cache")

    def _point(self, revision: str, commit: str) -> None:
        check_path(revision)
        if self.commit_of(revision) == commit:
            return
        ref = self.folder.joinpath("refs", *PurePosixPath(revision).parts)
        self._make_folder(ref.parent)
        with renamed_to(ref) as draft:
            draft.write_text(commit, encoding="utf-8")


def part_path(blob: Path) -> Path:
    """Return where the bytes of a blob are until all are here."""
    return blob.with_name(f"{blob.name}.hostel.part")


def record_of(blobs: Path) -> Path:
    """Return where this user's pulls note which files of a folder of blobs they have found true."""
    return blobs.with_name(f".hostel-verified-{os.geteuid()}")


def open_own(path: Path, flags: int) -> int:
    """Open a file of our own, by no link to another.

    :raises OSError: if it is none
    """
    # a link or a pipe may have been planted under that name
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    found = os.fstat(fd)
    if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_nlink == 1:
        return fd
    os.close(fd)
    raise PermissionError("it is not a file of ours")


@contextmanager
def renamed_to(final: Path) -> Iterator[Path]:
    """Let a file be written under another name; it gets its own when the block is left without an error."""
    draft = final.with_name(f".{secrets.token_hex(8)}.hostel.tmp")
    try:
        yield draft
        draft.replace(final)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _storing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageFailed(Path(error.filename or path), (error.strerror or str(error)).lower()) from error
