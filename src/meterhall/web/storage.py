"""Folders elsewhere, over SFTP or in an S3 bucket, through fsspec: opened only where the home has an entry for them.

HOME/storage.toml says for each host or bucket how it is entered. What stands there goes to that host alone, and never
into a contract, a message or a log. fsspec, paramiko and obstore are the extra `storage`, imported nowhere else.
"""

from __future__ import annotations

import base64
import hashlib
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from meterhall.domain.errors import Conflict, InvalidInput, MeterhallError, Unavailable
from meterhall.web.platform import platform

FILE: Final = "storage.toml"
SCHEMES: Final = ("sftp", "s3")
PIECE_BYTES: Final = 1024 * 1024
_TIMEOUT_S: Final = 20.0
_RETRY_S: Final = 30
_HOST_KEYS: Final = (
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512", "rsa-sha2-256",
    "ssh-rsa",
)  # fmt: skip


class StorageMissing(Unavailable):
    code = "storage_missing"
    title = "SFTP and S3 need their libraries: pip install 'meterhall[platform,storage]'."


class StorageUnknown(Conflict):
    code = "storage_unknown"
    title = f"The provider's {FILE} has no entry for this host or bucket: nothing is sent there or fetched from there."


class BadStorage(InvalidInput):
    code = "bad_storage"
    title = f"The file {FILE} of the home, or the address of a folder, cannot be used."


class StorageUnreachable(Unavailable):
    code = "storage_unreachable"
    title = "The folder elsewhere cannot be reached, or does not let us do this; it is tried again."


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SftpEntry(_Entry):
    """How an SFTP server is entered, and by which key it is known."""

    user: str = Field(min_length=1)
    host_key: str = Field(pattern=r"^\S+ \S+$")
    password: SecretStr | None = None
    key_file: str | None = None
    passphrase: SecretStr | None = None

    @model_validator(mode="after")
    def _one_way_in(self) -> SftpEntry:
        if (self.password is None) == (self.key_file is None):
            raise ValueError("either password or key_file")
        return self


class S3Entry(_Entry):
    """How a bucket is entered. Without `endpoint` it is one of AWS."""

    access_key_id: str = Field(min_length=1)
    secret_access_key: SecretStr
    region: str = "us-east-1"
    endpoint: str | None = Field(None, pattern=r"^(https://|http://(127\.0\.0\.1|localhost)(:|/|$))\S+$")


@dataclass(frozen=True, slots=True)
class Place:
    """An open folder: its file system, its path there, and whether a file there can be gone on with."""

    fs: Any
    path: str
    appends: bool

    def at(self, *names: str) -> str:
        """The path of something in it."""
        return "/".join([self.path.rstrip("/"), *names])

    def digest(self, path: str, most: int | None = None) -> str:
        """The digest of a file, or of its first `most` bytes, read back."""
        made, left = hashlib.sha256(), most
        with self.fs.open(path, "rb") as file:
            while piece := file.read(PIECE_BYTES if left is None else min(PIECE_BYTES, left)):
                made.update(piece)
                left = None if left is None else left - len(piece)
        return f"sha-256:{made.hexdigest()}"

    def size(self, path: str) -> int | None:
        """How long a file is; None where there is none."""
        try:
            return int(self.fs.info(path)["size"])
        except FileNotFoundError:
            return None


def require_libraries() -> None:
    """Raises `StorageMissing` where the extra `storage` is not installed; imports nothing of it."""
    if any(find_spec(name) is None for name in ("fsspec", "paramiko", "obstore")):
        raise StorageMissing


def is_elsewhere(address: str) -> bool:
    """Whether an address is one of SFTP or S3."""
    return urlsplit(address).scheme in SCHEMES


@contextmanager
def opened(address: str) -> Iterator[Place]:
    """The folder behind an address, as long as it is used.

    Raises `StorageMissing`, `BadStorage`, `StorageUnknown`, and `StorageUnreachable` for whatever fails meanwhile.
    """
    require_libraries()
    root, path = _split(address)
    entry = _entry(root)
    try:
        place = _sftp(root, path, entry) if isinstance(entry, SftpEntry) else _s3(root, path, entry)
        try:
            yield place
        finally:
            if hasattr(place.fs, "client"):
                place.fs.client.close()
    except MeterhallError:
        raise
    except Exception as fault:
        if not _is_of_storage(fault):
            raise
        raise StorageUnreachable(retry_after_s=_RETRY_S, members={"fault": type(fault).__name__}) from fault


def _is_of_storage(fault: Exception) -> bool:
    """A fault of the line or of the other side; the libraries' own words may hold what is secret, so none is told."""
    return isinstance(fault, OSError | EOFError) or type(fault).__module__.partition(".")[0] in {"paramiko", "obstore"}


def _split(address: str) -> tuple[str, str]:
    """Host or bucket, and the path there. Raises `BadStorage`."""
    parts = urlsplit(address)
    names = parts.path.split("/")
    if parts.scheme not in SCHEMES or not parts.netloc or "@" in parts.netloc or parts.query or parts.fragment:
        raise BadStorage("An address is sftp://host/folder or s3://bucket/folder, without a name or password.")
    if "." in names or ".." in names or "%" in address:
        raise BadStorage("The folder of an address is written plainly.")
    return f"{parts.scheme}://{parts.netloc.lower()}", parts.path


def _entry(root: str) -> SftpEntry | S3Entry:
    file = platform().home.path / FILE
    if not file.exists():
        raise StorageUnknown
    if file.stat().st_mode & 0o077:
        raise BadStorage(f"{FILE} can be read by others: chmod 600.")
    try:
        known = {name.rstrip("/").lower(): one for name, one in tomllib.loads(file.read_text("utf-8")).items()}
    except ValueError:
        raise BadStorage(f"{FILE} cannot be read as TOML.") from None
    if root not in known:
        raise StorageUnknown
    kind: type[SftpEntry | S3Entry] = SftpEntry if root.startswith("sftp:") else S3Entry
    try:
        return kind.model_validate(known[root])
    except ValidationError as fault:
        place = ".".join(map(str, fault.errors()[0]["loc"]))
        said = fault.errors()[0]["msg"].removeprefix("Value error, ")
        raise BadStorage(f"{FILE}, {root}: {place + ': ' if place else ''}{said}.") from None


def _sftp(root: str, path: str, entry: SftpEntry) -> Place:
    from fsspec.implementations.sftp import SFTPFileSystem

    where = urlsplit(root)
    kind = entry.host_key.partition(" ")[0]
    kept = {kind, "rsa-sha2-512", "rsa-sha2-256"} if kind == "ssh-rsa" else {kind}
    fs = SFTPFileSystem(
        where.hostname,
        port=where.port or 22,
        username=entry.user,
        password=_plain(entry.password),
        key_filename=str(platform().home.path / entry.key_file) if entry.key_file else None,
        passphrase=_plain(entry.passphrase),
        host_key_policy=_pinned(entry.host_key),
        disabled_algorithms={"keys": [one for one in _HOST_KEYS if one not in kept]},
        allow_agent=False,
        look_for_keys=False,
        timeout=_TIMEOUT_S,
        banner_timeout=_TIMEOUT_S,
        auth_timeout=_TIMEOUT_S,
        skip_instance_cache=True,
    )
    fs.ftp.get_channel().settimeout(_TIMEOUT_S)
    return Place(fs, path, appends=True)


def _pinned(host_key: str) -> Any:
    """What takes this key of a server and no other."""
    import paramiko

    class Pinned(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            if base64.b64encode(key.asbytes()).decode() != host_key.partition(" ")[2]:
                raise paramiko.SSHException("another host key")

    return Pinned()


def _s3(root: str, path: str, entry: S3Entry) -> Place:
    from obstore.fsspec import FsspecStore

    config: dict[str, Any] = {
        "access_key_id": entry.access_key_id,
        "secret_access_key": entry.secret_access_key.get_secret_value(),
        "region": entry.region,
    }
    if entry.endpoint:
        config |= {"endpoint": entry.endpoint, "virtual_hosted_style_request": False}
    plain = bool(entry.endpoint and entry.endpoint.startswith("http://"))
    fs = FsspecStore(
        "s3",
        config=config,
        client_options={"allow_http": plain, "timeout": f"{_TIMEOUT_S:.0f}s"},
        retry_config={"max_retries": 2},
        skip_instance_cache=True,
    )
    return Place(fs, urlsplit(root).netloc + path, appends=False)


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
