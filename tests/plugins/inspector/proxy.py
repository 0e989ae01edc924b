"""nginx before a runtime: with a name, with TLS, below a path."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "inspector.example"
PREFIX = "/below/it"

CONFIG = """
worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port} ssl; server_name {name};
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    location {prefix}/ {{
      proxy_pass {upstream}/;
      proxy_set_header Host {host};
      proxy_http_version 1.1;
    }}
  }}
}}
"""


@contextmanager
def proxied(upstream: str, folder: Path, *, host: str = "$http_host") -> Iterator[str]:
    """Pass on what is asked at the address that is yielded; `host` is the Host header that nginx sends."""
    folder.mkdir()
    subject = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    made: list[str | Path] = ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *made)
    port = free_port()
    config = CONFIG.format(folder=folder, port=port, name=NAME, prefix=PREFIX, upstream=upstream, host=host)
    (folder / "conf").write_text(("user root;" if os.geteuid() == 0 else "") + config)
    command: list[str | Path] = ["nginx", "-c", folder / "conf", "-e", folder / "error.log"]
    run(*command)
    try:
        yield f"https://{NAME}:{port}{PREFIX}/"
    finally:
        run(*command, "-s", "stop")


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])
