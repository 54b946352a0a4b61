"""The home folder of one client: who it is, its two keys, whom it trusts. What it remembers of its work: `memory`.

HOME/client.json         the organisation, its Market Place and its access number
HOME/keys/transport.pem  signs requests; encrypted when a passphrase is given
HOME/keys/contract.pem   signs contracts; always encrypted, with the signer's passphrase
HOME/trust.pem           authorities trusted besides the system's
HOME/memory.sqlite3      what is under way       HOME/files/  parts on their way
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import Field, ValidationError

from meterhall.client.signing import Signer
from meterhall.domain.errors import Conflict, InvalidInput, NotFound
from meterhall.domain.protocol.base import AccessNumber, Country, Environment, Message, ShortText, Url
from meterhall.domain.protocol.keys import SigningKey
from meterhall.domain.protocol.players import Jwk

FOLDER = "METERHALL_CLIENTS"
"""The environment's name for the folder that holds the homes known by name; `~/.meterhall` where it is not set."""
PASSPHRASE_NAME = "METERHALL_KEY_PASSPHRASE"  # noqa: S105 - its name, not itself
"""The environment's name for the passphrase of the transport key, where it has one."""
SHORTEST = 8


class NoClient(NotFound):
    code = "no_client"
    title = "There is no client in this folder; `meterhall client init` makes one."


class ClientExists(Conflict):
    code = "client_exists"
    title = "There is a client in this folder already."


class BadClient(InvalidInput):
    code = "bad_client"
    title = "A client cannot be made of this."


class WrongPassphrase(InvalidInput):
    code = "wrong_passphrase"
    title = "The key cannot be opened with this passphrase."


class ShortPassphrase(InvalidInput):
    code = "short_passphrase"
    title = f"A signer's passphrase has {SHORTEST} characters at least."


class Card(Message):
    """Who the client is: what stands in `client.json`."""

    organisation: ShortText
    country: Country
    marketplace: Url
    address: Url = Field(description="An address of the organisation; nothing needs to answer there.")
    contact: ShortText
    environment: Environment
    marketplace_number: AccessNumber
    marketplace_keys: tuple[Jwk, ...]
    contract_key: Jwk
    redirect_uris: tuple[Url, ...] = ()
    access_number: AccessNumber | None = None


def folder_of(name: str | Path) -> Path:
    """Where a client lives: a path as it is, a bare name below the folder of homes."""
    if isinstance(name, Path) or os.sep in name or name.startswith("."):
        return Path(name)
    return Path(os.environ.get(FOLDER) or Path.home() / ".meterhall") / name


@dataclass(frozen=True)
class ClientHome:
    """One client's folder; everything private in it is readable by its owner only."""

    path: Path

    @classmethod
    def create(cls, path: Path, card: dict[str, object], passphrase: str, trust: bytes = b"") -> Self:
        """Make a home with fresh keys; `passphrase` is the signer's. Raises `ClientExists`, `BadClient`,
        `ShortPassphrase`; nothing is left when one of them is."""
        if (path / "client.json").exists():
            raise ClientExists(f"There is a client in {path} already.")
        if len(passphrase) < SHORTEST:
            raise ShortPassphrase(field="/passphrase")
        transport, contract = SigningKey.generate(), SigningKey.generate()
        made = read_card(card | {"contract_key": contract.public.jwk()})
        (path / "keys").mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path / "keys" / "transport.pem", pem_of(transport, os.environ.get(PASSPHRASE_NAME, "")))
        write_private(path / "keys" / "contract.pem", pem_of(contract, passphrase))
        if trust:
            write_private(path / "trust.pem", trust)
        home = cls(path)
        home.write(made)
        return home

    @property
    def card(self) -> Card:
        """Who the client is. Raises `NoClient`, `BadClient`."""
        try:
            return read_card((self.path / "client.json").read_bytes())
        except FileNotFoundError:
            raise NoClient(f"There is no client in {self.path}; `meterhall client init` makes one.") from None

    def write(self, card: Card) -> None:
        """Keep who the client is."""
        write_private(self.path / "client.json", card.model_dump_json(indent=1, exclude_none=True).encode())

    @property
    def transport_key(self) -> SigningKey:
        """The key that signs requests. Raises `WrongPassphrase`."""
        return read_pem(self.path / "keys" / "transport.pem", os.environ.get(PASSPHRASE_NAME, ""))

    def contract_key(self, passphrase: str) -> SigningKey:
        """The key that signs contracts, released by its signer. Raises `WrongPassphrase`."""
        return read_pem(self.path / "keys" / "contract.pem", passphrase)

    @property
    def tls(self) -> ssl.SSLContext:
        """Trust in the system's authorities and the home's own."""
        trust = self.path / "trust.pem"
        return tls_of(trust.read_bytes() if trust.exists() else b"")

    @property
    def files(self) -> Path:
        """Where parts are while they are on their way."""
        return self.path / "files"


@dataclass(frozen=True, slots=True)
class SignerKey:
    """The contract key in the hand of the person who just opened it: has the file (`swk`), knows its passphrase."""

    key: SigningKey
    signer: Signer

    @classmethod
    def open(cls, home: ClientHome, name: str, passphrase: str) -> Self:
        """Open the contract key now. Raises `WrongPassphrase`."""
        key = home.contract_key(passphrase)
        return cls(key, Signer(name, datetime.now(UTC), ("swk", "pwd", "mfa")))


def tls_of(trust: bytes) -> ssl.SSLContext:
    """Trust in the system's authorities and in these (PEM). Raises `BadClient`."""
    context = ssl.create_default_context()
    if trust:
        try:
            context.load_verify_locations(cadata=trust.decode("ascii"))
        except (ssl.SSLError, UnicodeDecodeError):
            raise BadClient("The file of authorities is no PEM.", field="/trust") from None
    return context


def read_card(source: bytes | dict[str, object]) -> Card:
    """A card. Raises `BadClient`, whose `field` names what is wrong."""
    try:
        return Card.model_validate_json(source) if isinstance(source, bytes) else Card.model_validate(source)
    except ValidationError as fault:
        first = fault.errors(include_input=False)[0]
        where = "/" + "/".join(str(part) for part in first["loc"])
        is_address = first["loc"][0] in {"address", "redirect_uris", "marketplace"}
        said = "An address is written https://host/path." if is_address else f"{first['msg']}."
        raise BadClient(f"{where}: {said}", field=where) from None


def pem_of(key: SigningKey, passphrase: str) -> bytes:
    """The key as PKCS #8 PEM, encrypted where there is a passphrase."""
    seal: KeySerializationEncryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, seal)


def read_pem(path: Path, passphrase: str) -> SigningKey:
    """The Ed25519 key of a PEM file. Raises `WrongPassphrase`, `BadClient`."""
    try:
        key = load_pem_private_key(path.read_bytes(), passphrase.encode() or None)
    except FileNotFoundError:
        raise NoClient(f"{path} is missing.") from None
    except (TypeError, ValueError):
        raise WrongPassphrase(f"{path} cannot be opened with this passphrase.", field="/passphrase") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadClient(f"{path} holds no Ed25519 key.")
    return SigningKey(key)


def write_private(path: Path, content: bytes | Iterable[bytes | memoryview]) -> None:
    """Write a file that nobody but its owner can read, whole or not at all; of blocks each as it comes."""
    fresh = path.with_name(path.name + ".new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.writelines([content] if isinstance(content, bytes) else content)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
