"""What the API tells of a repository, as JSON: model info, tree entries, refs."""

import hashlib
from collections.abc import Iterable

from ._reply import Json
from ._repo import Commit, Repo, RepoFile

CREATED = "2026-01-02T03:04:05.000Z"


def model_info(repo: Repo, commit: Commit, *, blobs: bool) -> dict[str, Json]:
    siblings: list[Json] = [_sibling(file, blobs) for file in commit.files.values()]
    return {
        "_id": hashlib.sha1(repo.id.encode()).hexdigest()[:24],
        "id": repo.id,
        "modelId": repo.id,
        "author": repo.id.partition("/")[0],
        "sha": commit.sha,
        "private": repo.private,
        "gated": "manual" if repo.gated else False,
        "disabled": repo.disabled,
        "tags": ["gguf"],
        "downloads": 0,
        "likes": 0,
        "createdAt": CREATED,
        "lastModified": CREATED,
        "siblings": siblings,
    }


def refs(repo: Repo) -> Json:
    def rows(kind: str, targets: Iterable[tuple[str, str]]) -> list[Json]:
        return [{"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": sha} for name, sha in targets]

    branches = [(name, sha) for name, sha in repo.branches.items() if not name.startswith("refs/")]
    return {
        "branches": rows("heads", branches),
        "tags": rows("tags", repo.tags.items()),
        "converts": [],
    }


def tree_entries(commit: Commit, folder: str, *, recursive: bool) -> list[Json]:
    """List what lies in a folder ("": the root), folders before the files they hold."""
    prefix = f"{folder}/" if folder else ""
    entries: dict[str, Json] = {}
    for path, file in sorted(commit.files.items()):
        if not path.startswith(prefix):
            continue
        parts = path.removeprefix(prefix).split("/")
        depth = len(parts) if recursive else min(len(parts), 2)
        for end in range(1, depth):
            above = prefix + "/".join(parts[:end])
            entries[above] = folder_entry(above)
        if recursive or len(parts) == 1:
            entries[path] = file_entry(file)
    return list(entries.values())


def file_entry(file: RepoFile) -> Json:
    entry: dict[str, Json] = {"type": "file", "oid": file.oid, "size": file.content.size, "path": file.path}
    if file.lfs:
        entry["lfs"] = {
            "oid": file.content.sha256,
            "size": file.content.size,
            "pointerSize": file.pointer.size,
        }
    return entry


def folder_entry(path: str) -> Json:
    return {"type": "directory", "oid": hashlib.sha1(path.encode()).hexdigest(), "size": 0, "path": path}


def _sibling(file: RepoFile, blobs: bool) -> Json:
    row: dict[str, Json] = {"rfilename": file.path}
    if blobs:
        row |= {"size": file.content.size, "blobId": file.oid}
    if blobs and file.lfs:
        lfs: Json = {
            "sha256": file.content.sha256,
            "size": file.content.size,
            "pointerSize": file.pointer.size,
        }
        row["lfs"] = lfs
    return row
