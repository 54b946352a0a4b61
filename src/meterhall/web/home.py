"""The home folder of one platform: its configuration, keys, certificates and data. What is in the database is not here.

HOME/config.toml      settings
HOME/secret.key       seals every secret at rest; keep it apart from backups of the database
HOME/keys/*.sealed    transport and contract key
HOME/tls/             certificate and key of the two listeners, trusted authorities (trust.pem)
HOME/db.sqlite3       the embedded database, when DATABASE_URL names none
HOME/lake/            meter data       HOME/files/  deliveries
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from cryptography.fernet import Fernet, InvalidToken

from meterhall.client.home import write_private as write_private
from meterhall.domain.errors import Conflict, InvalidInput, NotFound
from meterhall.domain.protocol.keys import SigningKey
from meterhall.web.config import Config, load_config, make_config

KeyName = Literal["transport", "contract", "transport-next", "transport-old"]


class NoHome(NotFound):
    code = "no_home"
    title = "There is no platform in this folder; `init` makes one."


class HomeExists(Conflict):
    code = "home_exists"
    title = "There is a platform in this folder already."


class NoAuthority(InvalidInput):
    code = "no_authority"
    title = "There is no certificate authority here; `meterhall ca init` makes a local one."


class BadSecret(InvalidInput):
    code = "bad_secret"
    title = "A sealed secret cannot be opened with this home's secret.key."


@dataclass(frozen=True)
class Home:
    """One platform's folder; everything private in it is readable by its owner only."""

    path: Path

    @classmethod
    def create(cls, path: Path, settings: dict[str, object], ca: Path | None, trust: tuple[Path, ...] = ()) -> Self:
        """Make a new home: settings, fresh keys and, where a local CA's folder is given, certificates from it.

        Nothing is written when the settings or an authority can't be used: `BadSetting`, `NoAuthority`.
        """
        if any((path / name).exists() for name in ("config.toml", "secret.key")):
            raise HomeExists(f"There is a platform in {path} already.")
        make_config(settings)
        bundle = _authorities(ca, trust)
        for folder in ("keys", "tls", "lake", "files"):
            (path / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        path.chmod(0o700)
        home = cls(path)
        write_private(path / "secret.key", Fernet.generate_key())
        for name in ("transport", "contract"):
            home.store_key(name, SigningKey.generate())
        if ca is not None:
            issue_certificate(ca, path / "tls")
        (path / "tls" / "trust.pem").write_bytes(bundle)
        lines = "".join(f"{key} = {_toml(value)}\n" for key, value in settings.items())
        write_private(path / "config.toml", lines.encode())
        return home

    def discard(self) -> None:
        """Take back what `create` and the first start made; whatever else is in the folder stays."""
        for name in ("keys", "tls", "lake", "files"):
            shutil.rmtree(self.path / name, ignore_errors=True)
        for file in (self.path / "config.toml", self.path / "secret.key", *self.path.glob("db.sqlite3*")):
            file.unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()

    @cached_property
    def config(self) -> Config:
        if not (self.path / "config.toml").exists():
            raise NoHome(f"There is no platform in {self.path}; `meterhall <platform> init` makes one.")
        return load_config(self.path)

    @cached_property
    def _fernet(self) -> Fernet:
        try:
            return Fernet((self.path / "secret.key").read_bytes())
        except ValueError:
            raise BadSecret(f"{self.path / 'secret.key'} holds no key of a home.") from None

    def seal(self, plain: bytes) -> bytes:
        """Encrypt a secret for rest."""
        return self._fernet.encrypt(plain)

    def unseal(self, sealed: bytes) -> bytes:
        """The secret again. Raises `BadSecret`."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise BadSecret from None

    def derived_key(self, purpose: str) -> bytes:
        """32 bytes for one purpose, always the same for this home."""
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        seed = (self.path / "secret.key").read_bytes()
        return HKDF(SHA256(), 32, b"meterhall", purpose.encode()).derive(seed)

    def key(self, name: KeyName) -> SigningKey:
        """The transport or the contract key; or, while the transport key is replaced, the one to come or that was."""
        return SigningKey.from_bytes(self.unseal((self.path / "keys" / f"{name}.sealed").read_bytes()))

    def store_key(self, name: KeyName, key: SigningKey) -> None:
        write_private(self.path / "keys" / f"{name}.sealed", self.seal(key.to_bytes()))


def _toml(value: object) -> str:
    """A setting's value in TOML, which is JSON's but for what lies beyond 16 bits and for the delete character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _authorities(ca: Path | None, trust: tuple[Path, ...]) -> bytes:
    """The certificates a platform trusts besides the system's. Raises `NoAuthority`."""
    from cryptography import x509

    if ca is not None and not all((ca / name).is_file() for name in ("ca.pem", "ca.key")):
        raise NoAuthority(f"There is no authority in {ca}; `meterhall ca init {ca}` makes one.", field="/ca")
    bundle = b""
    for pem in ([ca / "ca.pem"] if ca else []) + list(trust):
        try:
            x509.load_pem_x509_certificates(held := pem.read_bytes())
        except (OSError, ValueError):
            raise NoAuthority(f"{pem} is no file of certificates (PEM).", field="/trust") from None
        bundle += held
    return bundle


def create_ca(folder: Path) -> Path:
    """Make a local certificate authority in `folder` (ca.pem, ca.key); kept as it is when there is one."""
    import trustme

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / "ca.pem").exists():
        authority = trustme.CA(organization_name="Meterhall local authority")
        write_private(folder / "ca.key", authority.private_key_pem.bytes())
        authority.cert_pem.write_to_path(folder / "ca.pem")
    return folder / "ca.pem"


def issue_certificate(ca: Path, into: Path) -> None:
    """A server certificate for this machine's loopback names from the local CA in `ca`."""
    import trustme

    authority = trustme.CA.from_pem((ca / "ca.pem").read_bytes(), (ca / "ca.key").read_bytes())
    issued = authority.issue_cert("localhost", "127.0.0.1", "::1")
    write_private(into / "server.key", pkcs8(issued.private_key_pem.bytes()))
    (into / "server.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))


def pkcs8(pem: bytes) -> bytes:
    """The private key in PKCS #8, the one form every TLS server reads."""
    from cryptography.hazmat.primitives import serialization as s

    key = s.load_pem_private_key(pem, None)
    return key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
