"""Real servers of storage protocols on loopback, for tests and benchmarks: each is started, waited for, and stopped.

`python tools/servers.py NAME FOLDER` runs one until Enter is pressed, and prints its URL and the options of its driver.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from workspace import ROOT

HOST = "127.0.0.1"
DEADLINE = 60
"""Seconds within which a server has to answer."""
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The key of the emulator's one account, which its manual publishes."""


class Missing(Exception):
    """The program of a server is not installed; the text says how to get it."""


class Server(NamedTuple):
    """A running server: a URL below which all can be written, and the options that its fsspec driver needs."""

    url: str
    params: dict[str, Any]


def program(name: str, how: str, *others: Path) -> str:
    """Return the path of a program: beside this Python, on PATH, or one of `others`.

    Raises:
        Missing: it is nowhere.
    """
    for path in (Path(sys.executable).parent / name, *others):
        if path.exists():
            return str(path)
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed; {how}")
    return found


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(command: list[str], port: int, log: Path, env: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run a server for the block, once it accepts connections."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **(env or {})}
        )
        try:
            deadline = time.monotonic() + DEADLINE
            while not accepts(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command[0]} did not start: {log.read_text(errors='replace')[-2000:]}")
                threading.Event().wait(0.05)
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def accepts(port: int) -> bool:
    """Tell whether someone accepts connections."""
    try:
        socket.create_connection((HOST, port), 1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def s3(folder: Path) -> Iterator[Server]:
    """S3, by moto."""
    port = free_port()
    with running([program("moto_server", "make setup brings it"), "-H", HOST, "-p", str(port)], port, folder / "log"):
        params = {"key": "test", "secret": "test", "endpoint_url": f"http://{HOST}:{port}"}
        make_bucket("s3", params)
        yield Server("s3://tiffin", params)


@contextlib.contextmanager
def gcs(folder: Path) -> Iterator[Server]:
    """Google Cloud Storage, by gcp-storage-emulator."""
    port = free_port()
    emulator = program("gcp-storage-emulator", "make setup brings it")
    # The driver looks this up when it is imported; without it, it asks Google's servers what kind of bucket it is.
    os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
    command = [emulator, "start", "--host", HOST, "--port", str(port), "--in-memory"]
    with running(command, port, folder / "log"):
        params = {"endpoint_url": f"http://{HOST}:{port}", "token": "anon", "project": "test"}
        make_bucket("gs", params)
        import gcsfs.retry

        # The emulator knows no end of an upload but its completion, and the driver would ask for it for half a minute.
        plain = gcsfs.GCSFileSystem._request.__wrapped__
        gcsfs.GCSFileSystem._request = gcsfs.retry.retry_request(retries=1)(plain)
        yield Server("gs://tiffin", params)


@contextlib.contextmanager
def azure(folder: Path) -> Iterator[Server]:
    """Azure Blob Storage, by Azurite."""
    port = free_port()
    azurite = program(
        "azurite-blob", "try: npm install --prefix .tools azurite", ROOT / ".tools/node_modules/.bin/azurite-blob"
    )
    command = [azurite, "--silent", "--disableTelemetry", "--skipApiVersionCheck", "--blobHost", HOST]
    with running([*command, "--blobPort", str(port), "--location", str(folder)], port, folder / "log"):
        account = f"http://{HOST}:{port}/devstoreaccount1"
        parts = ("DefaultEndpointsProtocol=http", "AccountName=devstoreaccount1", f"AccountKey={AZURITE_KEY}")
        params = {"connection_string": ";".join((*parts, f"BlobEndpoint={account};"))}
        make_bucket("az", params)
        yield Server("az://tiffin", params)


def make_bucket(scheme: str, params: dict[str, Any]) -> None:
    """Make the bucket or container that is written to."""
    import fsspec

    fsspec.filesystem(scheme, **params).mkdir("tiffin")


@contextlib.contextmanager
def ftp(folder: Path) -> Iterator[Server]:
    """FTP, by pyftpdlib."""
    port = free_port()
    data = folder / "data"
    data.mkdir()
    command = [sys.executable, "-m", "pyftpdlib", "-i", HOST, "-p", str(port), "-w", "-d", str(data)]
    with running([*command, "-u", "user", "-P", "secret"], port, folder / "log"):
        yield Server(f"ftp://user:secret@{HOST}:{port}/", {})


@contextlib.contextmanager
def sftp(folder: Path) -> Iterator[Server]:
    """SFTP, by OpenSSH's sshd, for whoever runs this."""
    port = free_port()
    daemon = program("sshd", "on Debian: apt-get install openssh-server", Path("/usr/sbin/sshd"))
    data = folder / "data"
    data.mkdir()
    for key in ("host", "client"):
        generate = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
        subprocess.run(generate, check=True, stdin=subprocess.DEVNULL)
    settings = [f"Port {port}", f"ListenAddress {HOST}", f"HostKey {folder}/host", f"PidFile {folder}/pid"]
    settings += [f"AuthorizedKeysFile {folder}/client.pub", "StrictModes no", "UsePAM no", "PermitRootLogin yes"]
    (folder / "config").write_text("\n".join([*settings, "Subsystem sftp internal-sftp", ""]), encoding="utf-8")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with running([daemon, "-D", "-e", "-f", str(folder / "config")], port, folder / "log"):
        params: dict[str, Any] = {"username": getpass.getuser(), "key_filename": str(folder / "client")}
        params["accept_unknown_hosts"] = True
        yield Server(f"sftp://{HOST}:{port}{data}", {**params, "look_for_keys": False, "allow_agent": False})


@contextlib.contextmanager
def webdav(folder: Path) -> Iterator[Server]:
    """WebDAV, by WsgiDAV."""
    port = free_port()
    data = folder / "data"
    data.mkdir()
    command = [program("wsgidav", "make setup brings it"), "--host", HOST, "--port", str(port), "--root", str(data)]
    with running([*command, "--auth", "anonymous"], port, folder / "log"):
        yield Server(f"webdav://{HOST}:{port}", {})


SERVERS: dict[str, Callable[[Path], contextlib.AbstractContextManager[Server]]] = {
    "s3": s3,
    "gcs": gcs,
    "azure": azure,
    "ftp": ftp,
    "sftp": sftp,
    "webdav": webdav,
}


if __name__ == "__main__":
    with SERVERS[sys.argv[1]](Path(sys.argv[2])) as server:
        print(server)
        input("Enter stops it ")
