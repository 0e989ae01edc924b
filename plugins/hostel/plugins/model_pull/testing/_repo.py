"""Model repositories: commits, branches, tags, and the names git and LFS give to content."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

import attrs

from ._blob import Blob

LFS_SUFFIXES = {".gguf", ".safetensors", ".bin", ".pt", ".onnx"}


@attrs.frozen
class RepoFile:
    """One file of one commit."""

    path: str
    content: Blob
    lfs: bool

    @property
    def etag(self) -> str:
        """Return the identity the Hub promises: sha256 of an LFS file, git's sha1 of any other."""
        return self.content.sha256 if self.lfs else self.content.git_sha1

    @property
    def oid(self) -> str:
        """Return what git itself stores: for an LFS file that is the pointer."""
        return self.pointer.git_sha1 if self.lfs else self.content.git_sha1

    @property
    def pointer(self) -> Blob:
        lines = ["version https://git-lfs.github.com/spec/v1"]
        lines += [f"oid sha256:{self.content.sha256}", f"size {self.content.size}", ""]
        return Blob.of("\n".join(lines).encode())


def repo_file(path: str, content: bytes | Blob) -> RepoFile:
    """Store blobs and files with a weight file's suffix by LFS, other bytes as plain git files."""
    if isinstance(content, Blob):
        return RepoFile(path, content, lfs=True)
    return RepoFile(path, Blob.of(content), lfs=PurePosixPath(path).suffix in LFS_SUFFIXES)


@attrs.frozen
class Commit:
    sha: str
    files: Mapping[str, RepoFile]


def make_commit(repo_id: str, parent: str, files: Mapping[str, RepoFile]) -> Commit:
    listing = json.dumps([repo_id, parent, sorted((path, file.oid) for path, file in files.items())])
    return Commit(hashlib.sha1(listing.encode()).hexdigest(), MappingProxyType(dict(files)))


@attrs.define
class Repo:
    """One repository; its maps are replaced, never changed, so a request sees one state."""

    id: str
    private: bool = False
    gated: bool = False
    disabled: bool = False
    commits: Mapping[str, Commit] = attrs.field(factory=dict[str, Commit])
    branches: Mapping[str, str] = attrs.field(factory=dict[str, str])
    tags: Mapping[str, str] = attrs.field(factory=dict[str, str])

    def find(self, revision: str) -> Commit | None:
        """Return the commit of a branch, a tag, a full ref or a sha."""
        short = revision.removeprefix("refs/heads/").removeprefix("refs/tags/")
        sha = self.branches.get(short) or self.tags.get(short) or revision
        return self.commits.get(sha)

    def commit(self, changes: Mapping[str, bytes | Blob | None], branch: str) -> str:
        """Add or replace files (None removes one) on a branch; a new branch starts from main."""
        base = self.find(branch) or self.find("main")
        files = dict(base.files) if base else {}
        for path, content in changes.items():
            files.pop(path, None)
            if content is not None:
                files[path] = repo_file(path, content)
        made = make_commit(self.id, base.sha if base else "", files)
        self.commits = {**self.commits, made.sha: made}
        self.branches = {**self.branches, branch: made.sha}
        return made.sha

    def overwrite(self, path: str, content: bytes | Blob, revision: str) -> None:
        commit = self._commit_at(revision)
        files = MappingProxyType({**commit.files, path: repo_file(path, content)})
        self.commits = {**self.commits, commit.sha: attrs.evolve(commit, files=files)}

    def tag(self, name: str, revision: str) -> None:
        self.tags = {**self.tags, name: self._commit_at(revision).sha}

    def _commit_at(self, revision: str) -> Commit:
        if commit := self.find(revision):
            return commit
        raise LookupError(f"{self.id} has no revision {revision!r}")
