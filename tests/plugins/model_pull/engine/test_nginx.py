"""nginx, a server that nobody here wrote: ranges, If-Range, 416, TLS."""

import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import anyio
import attrs
import pytest

from hostel.plugins.model_pull import (
    BadResponse,
    ContentChanged,
    NotFound,
    RemoteFile,
    UrlSource,
    parse_reference,
)
from hostel.plugins.model_pull._engine import fetch
from hostel.plugins.model_pull.testing import MIB, Blob

from .cutting import fetch_some

CONTENT = Blob(50 * MIB, seed=9)

pytestmark = pytest.mark.needs("nginx")

CONFIG = """
worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl;
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    root {folder}/root;
    location /slow/ {{ alias {folder}/root/; limit_rate 8m; }}
    location /moved/ {{ return 302 /$is_args$args; }}
    location /down/ {{ return 302 http://example.invalid/; }}
  }}
}}
"""


@attrs.frozen
class Nginx:
    plain: str
    tls: str
    root: Path
    certificate: Path


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "root").mkdir()
    (folder / "root" / "m.gguf").write_bytes(CONTENT.read())
    (folder / "root" / "empty").touch()
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    made: list[str | Path] = ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *made)
    plain, tls = free_port(), free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "conf").write_text(user + CONFIG.format(folder=folder, plain=plain, tls=tls))
    command: list[str | Path] = ["nginx", "-c", folder / "conf", "-e", folder / "error.log"]
    run(*command)
    yield Nginx(f"http://127.0.0.1:{plain}", f"https://localhost:{tls}", folder / "root", folder / "cert.pem")
    run(*command, "-s", "stop")


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@pytest.mark.parametrize("pinned", [True, False])
async def test_a_file_arrives_over_several_connections(pinned: bool, nginx: Nginx, blob: Path) -> None:
    sha256 = CONTENT.sha256 if pinned else None
    fetched = await fetch(RemoteFile("m.gguf", CONTENT.size, sha256, f"{nginx.plain}/m.gguf"), blob)

    assert blob.read_bytes() == CONTENT.read()
    assert fetched.etag is not None


async def test_an_unknown_size_is_learnt_and_nothing_is_an_empty_file(nginx: Nginx, blob: Path) -> None:
    await fetch(RemoteFile("m.gguf", None, CONTENT.sha256, f"{nginx.plain}/m.gguf"), blob)
    await fetch(RemoteFile("empty", None, None, f"{nginx.plain}/empty"), blob.with_name("empty"))

    assert blob.read_bytes() == CONTENT.read()
    assert blob.with_name("empty").read_bytes() == b""


async def test_what_was_cancelled_is_continued(nginx: Nginx, blob: Path) -> None:
    file = RemoteFile("m.gguf", None, None, f"{nginx.plain}/slow/m.gguf")
    await fetch_some(file, blob)
    fetched = await fetch(attrs.evolve(file, url=f"{nginx.plain}/m.gguf"), blob)

    assert blob.read_bytes() == CONTENT.read()
    assert fetched.resumed > MIB
    assert fetched.fetched <= CONTENT.size - fetched.resumed + MIB


async def test_a_file_that_changed_since_is_begun_anew_or_refused(nginx: Nginx, blob: Path) -> None:
    other = Blob(40 * MIB, seed=10)
    (nginx.root / "c.gguf").write_bytes(CONTENT.read())
    file = RemoteFile("c.gguf", None, None, f"{nginx.plain}/slow/c.gguf")
    await fetch_some(file, blob)
    (nginx.root / "c.gguf").write_bytes(other.read())
    with pytest.raises(ContentChanged):
        await fetch(attrs.evolve(file, size=CONTENT.size), blob, retry_seconds=0)
    await fetch_some(file, blob)
    fetched = await fetch(attrs.evolve(file, url=f"{nginx.plain}/c.gguf"), blob)

    assert blob.read_bytes() == other.read()
    assert fetched.size == other.size


async def test_tls_is_verified_against_the_named_authorities(
    nginx: Nginx, blob: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = RemoteFile("m.gguf", CONTENT.size, CONTENT.sha256, f"{nginx.tls}/m.gguf")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with pytest.raises(BadResponse, match="certificate"):
        await fetch(file, blob)
    monkeypatch.setenv("SSL_CERT_FILE", str(nginx.certificate))
    await fetch(file, blob)

    assert blob.read_bytes() == CONTENT.read()


async def test_a_transfer_over_tls_is_cancelled_at_once(
    nginx: Nginx, blob: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(nginx.certificate))
    file = RemoteFile("m.gguf", CONTENT.size, CONTENT.sha256, f"{nginx.tls}/slow/m.gguf")
    with anyio.fail_after(60):
        await fetch_some(file, blob)
    fetched = await fetch(attrs.evolve(file, url=f"{nginx.tls}/m.gguf"), blob)

    assert fetched.resumed > MIB
    assert fetched.fetched <= CONTENT.size - fetched.resumed + MIB


async def test_encryption_is_never_given_up_and_what_is_missing_is_named(
    nginx: Nginx, blob: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(nginx.certificate))
    with pytest.raises(BadResponse, match="https to http"):
        await fetch(RemoteFile("m", None, None, f"{nginx.tls}/down/"), blob)
    with pytest.raises(BadResponse, match="https to http"):
        await UrlSource().resolve(parse_reference(f"{nginx.tls}/down/m.gguf"))
    with pytest.raises(NotFound):
        await fetch(RemoteFile("m", None, None, f"{nginx.tls}/missing"), blob)


def test_the_default_context_reads_the_environment(nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(nginx.certificate))

    assert ssl.create_default_context().cert_store_stats()["x509"] == 1
