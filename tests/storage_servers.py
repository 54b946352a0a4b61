"""An SFTP server and an S3 server, each in this process: they speak the real protocols, over a folder and in memory."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import Request, urlopen

import paramiko
from moto.server import ThreadedMotoServer
from paramiko import SFTPAttributes, SFTPHandle

USER, PASSWORD = "grid", "a secret of the grid"
KEY_ID, SECRET = "AKIAEXAMPLE", "another secret of the grid"


@dataclass
class Sftp:
    """A running server. `breaks_after` lets a file grow to so many bytes, once, and then ends the connection; `flips`
    changes a bit of what is written, once; `user_key` lets a key in besides the password."""

    folder: Path
    port: int
    host_key: str
    breaks_after: int | None = None
    flips: bool = False
    user_key: str = ""
    transports: list[paramiko.Transport] = field(default_factory=list)
    written: int = 0

    @property
    def address(self) -> str:
        return f"sftp://127.0.0.1:{self.port}"

    def entry(self, *, without: str = "", **changes: str) -> str:
        """What `storage.toml` says of it."""
        known = {"user": USER, "password": PASSWORD, "host_key": self.host_key} | changes
        known.pop(without, None)
        return f'["{self.address}"]\n' + "".join(f'{name} = "{value}"\n' for name, value in known.items())


class _Login(paramiko.ServerInterface):
    def __init__(self, user_key: str) -> None:
        self.user_key = user_key

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        right = (username, key.get_base64()) == (USER, self.user_key)
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "password,publickey"

    def check_auth_password(self, username: str, password: str) -> int:
        right = (username, password) == (USER, PASSWORD)
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED


class _Handle(SFTPHandle):
    server: Sftp

    def write(self, offset: int, data: bytes) -> int:
        limit = self.server.breaks_after
        if limit is not None and offset + len(data) > limit:
            self.server.breaks_after = None
            self.server.transports[-1].close()
            return paramiko.SFTP_FAILURE
        if self.server.flips:
            self.server.flips, data = False, bytes([data[0] ^ 1]) + data[1:]
        self.server.written += len(data)
        answer: int = super().write(offset, data)
        return answer

    def stat(self) -> SFTPAttributes:
        return SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))


def _interface(server: Sftp) -> type[paramiko.SFTPServerInterface]:
    class Files(paramiko.SFTPServerInterface):
        def _at(self, path: str) -> Path:
            return server.folder / path.lstrip("/")

        def stat(self, path: str) -> SFTPAttributes | int:
            try:
                return SFTPAttributes.from_stat(self._at(path).stat())
            except OSError as fault:
                return paramiko.SFTPServer.convert_errno(fault.errno)

        lstat = stat

        def list_folder(self, path: str) -> list[SFTPAttributes] | int:
            try:
                return [SFTPAttributes.from_stat(one.stat(), one.name) for one in self._at(path).iterdir()]
            except OSError as fault:
                return paramiko.SFTPServer.convert_errno(fault.errno)

        def open(self, path: str, flags: int, attr: object) -> SFTPHandle | int:
            try:
                number = os.open(self._at(path), flags & ~os.O_APPEND, 0o600)
            except OSError as fault:
                return paramiko.SFTPServer.convert_errno(fault.errno)
            mode = "rb" if not flags & (os.O_WRONLY | os.O_RDWR) else "r+b" if flags & os.O_RDWR else "wb"
            handle = _Handle(0)
            handle.server = server
            handle.readfile = handle.writefile = os.fdopen(number, mode)
            return handle

        def mkdir(self, path: str, attr: object) -> int:
            self._at(path).mkdir()
            return paramiko.SFTP_OK

        def remove(self, path: str) -> int:
            self._at(path).unlink()
            return paramiko.SFTP_OK

        def posix_rename(self, oldpath: str, newpath: str) -> int:
            self._at(oldpath).replace(self._at(newpath))
            return paramiko.SFTP_OK

    return Files


@contextmanager
def sftp(folder: Path) -> Iterator[Sftp]:
    """A server over a folder, known by an ECDSA key."""
    key = paramiko.ECDSAKey.generate()
    listener = socket.create_server(("127.0.0.1", 0))
    server = Sftp(folder, listener.getsockname()[1], f"{key.get_name()} {key.get_base64()}")

    def serve() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(line)
            transport.add_server_key(key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _interface(server))
            server.transports.append(transport)
            try:
                transport.start_server(server=_Login(server.user_key))
            except (paramiko.SSHException, EOFError):
                continue

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield server
    finally:
        listener.close()
        for transport in server.transports:
            transport.close()


@dataclass
class S3:
    """A running server with one bucket."""

    url: str
    bucket: str = field(default_factory=lambda: f"grid-{secrets.token_hex(4)}")

    @property
    def address(self) -> str:
        return f"s3://{self.bucket}"

    def entry(self, **changes: str) -> str:
        """What `storage.toml` says of it."""
        known = {"access_key_id": KEY_ID, "secret_access_key": SECRET, "endpoint": self.url} | changes
        return f'["{self.address}"]\n' + "".join(f'{name} = "{value}"\n' for name, value in known.items())


@contextmanager
def s3() -> Iterator[S3]:
    """A server, with its bucket made."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    made = S3(f"http://{host}:{port}")
    urlopen(Request(f"{made.url}/{made.bucket}", method="PUT")).close()
    try:
        yield made
    finally:
        server.stop()
