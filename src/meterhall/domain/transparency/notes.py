"""C2SP signed notes, verifier keys and timestamped cosignatures, all Ed25519."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from meterhall.domain.protocol.keys import PublicKey, SigningKey
from meterhall.domain.transparency.errors import BadNote, BadVerifierKey

Kind = Literal[1, 4]
SIGNATURE: Kind = 1
COSIGNATURE: Kind = 4
MOST_SIGNATURES = 2000
_NAME = re.compile(r"[^\s+]+")
_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A named key that signs notes (kind 1) or cosigns checkpoints with the time (kind 4)."""

    name: str
    kind: Kind
    public: bytes

    @classmethod
    def of(cls, name: str, kind: Kind, key: PublicKey) -> Self:
        if not _NAME.fullmatch(name):
            raise BadVerifierKey("A key's name is not empty and has neither spaces nor a plus.")
        return cls(name, kind, key.raw.public_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `<name>+<key id>+<base64>`. Raises `BadVerifierKey`."""
        name, _, rest = text.strip().partition("+")
        claimed, _, encoded = rest.partition("+")
        try:
            material = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raise BadVerifierKey from None
        if not _NAME.fullmatch(name) or len(material) != 33 or material[0] not in (SIGNATURE, COSIGNATURE):
            raise BadVerifierKey
        key = cls(name, SIGNATURE if material[0] == SIGNATURE else COSIGNATURE, material[1:])
        if key.key_id.hex() != claimed:
            raise BadVerifierKey("The key id does not fit the key.")
        return key

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name, newline, kind, key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(bytes([self.kind]) + self.public).decode()}"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line of a note, not yet to be believed."""

    name: str
    key_id: bytes
    content: bytes

    @classmethod
    def parse(cls, line: str) -> Self:
        """From a line without its newline. Raises `BadNote`."""
        found = _LINE.fullmatch(line)
        try:
            raw = base64.b64decode(found[2], validate=True) if found else b""
        except binascii.Error:
            raw = b""
        if found is None or len(raw) < 5:
            raise BadNote("A signature line is `— <name> <base64>`.")
        return cls(found[1], raw[:4], raw[4:])

    @property
    def line(self) -> str:
        """The line without its newline."""
        return f"— {self.name} {base64.b64encode(self.key_id + self.content).decode()}"

    @property
    def at(self) -> datetime:
        """When a cosignature was made, as its maker says."""
        return datetime.fromtimestamp(int.from_bytes(self.content[:8], "big"), UTC)


@dataclass(frozen=True, slots=True)
class Note:
    """A text, ending in a newline, with the signatures below it."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, note: str) -> Self:
        """Raises `BadNote`."""
        text, gap, below = note.rpartition("\n\n")
        lines = below.split("\n")
        if not gap or _CONTROL.search(note) or lines.pop() != "" or not 1 <= len(lines) <= MOST_SIGNATURES:
            raise BadNote("A note is a text, an empty line and signature lines.")
        return cls(text + "\n", tuple(Signature.parse(line) for line in lines))

    def __str__(self) -> str:
        return self.text + "\n" + "".join(one.line + "\n" for one in self.signatures)

    def signed_by(self, key: VerifierKey) -> Signature | None:
        """The key's good signature, or None when it has not signed. Raises `BadNote` when its signature is wrong."""
        mine = [one for one in self.signatures if (one.name, one.key_id) == (key.name, key.key_id)]
        for one in mine:
            check(self.text, one, key)
        return mine[0] if mine else None


def sign_note(text: str, name: str, key: SigningKey) -> Signature:
    """The plain Ed25519 signature of a text that ends in a newline."""
    named = VerifierKey.of(name, SIGNATURE, key.public)
    return Signature(name, named.key_id, key.private.sign(text.encode()))


def cosign(text: str, name: str, key: SigningKey, at: datetime) -> Signature:
    """A witness's cosignature/v1 of a checkpoint text: that this is the largest consistent tree it has seen."""
    named = VerifierKey.of(name, COSIGNATURE, key.public)
    seconds = int(at.timestamp())
    return Signature(name, named.key_id, seconds.to_bytes(8, "big") + key.private.sign(_cosigned(seconds, text)))


def _cosigned(seconds: int, text: str) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def check(text: str, signature: Signature, key: VerifierKey) -> None:
    """That the key made the signature. Raises `BadNote`."""
    content, message = signature.content, text.encode()
    if key.kind == COSIGNATURE:
        seconds, content = int.from_bytes(content[:8], "big"), content[8:]
        message = _cosigned(seconds, text)
        if seconds >= 1 << 37:
            raise BadNote(f"The cosignature of {key.name} is from no time.")
    if (signature.name, signature.key_id) != (key.name, key.key_id):
        raise BadNote(f"The signature is not one of {key.name}.")
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(content, message)
    except (InvalidSignature, ValueError):
        raise BadNote(f"The signature of {key.name} does not fit the text.") from None


def parse_keys(lines: Iterable[str]) -> list[VerifierKey]:
    """The verifier keys of a file: one a line, `#` begins a comment. Raises `BadVerifierKey`."""
    return [VerifierKey.parse(text) for line in lines if (text := line.partition("#")[0].strip())]
