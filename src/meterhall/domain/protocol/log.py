"""The transparency log's messages: proof files, consistency proofs, cosignatures, statements as the log keeps them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from meterhall.domain.protocol.base import Digest, Jws, Message, Salt
from meterhall.domain.protocol.players import Jwk
from meterhall.domain.protocol.statements import Statement

NodeHash = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]
"""A SHA-256 hash of the tree, base64 as C2SP has it."""

ProofPath = Annotated[tuple[NodeHash, ...], Field(max_length=128)]


class ProofFile(Message):
    """That a statement stands in the log; `meterhall verify` checks it offline.

    The entry is SHA-256(salt || statement), the leaf SHA-256(0x00 || entry); `path` leads from the leaf to the root.
    """

    format: Literal["meterhall-proof/1"] = Field("meterhall-proof/1", description="The form of this file.")
    statement: Jws = Field(description="The statement as it was signed.")
    salt: Salt = Field(description="The statement's salt, 16 bytes in hex.")
    key: Jwk = Field(description="The maker's public key; its thumbprint is the `kid` that the statement names.")
    seq: int = Field(ge=0, description="Index of the entry in the log, from 0.")
    path: ProofPath = Field(description="Inclusion path, the leaf's sibling first (RFC 9162, section 2.1.3).")
    checkpoint: Annotated[str, StringConstraints(max_length=1_000_000)] = Field(
        description="The checkpoint as a C2SP signed note, with the witnesses' cosignatures."
    )


class ConsistencyProof(Message):
    """That the tree of `first` entries is the beginning of the one of `second`."""

    first: int = Field(ge=0, description="Entries of the smaller tree.")
    second: int = Field(ge=0, description="Entries of the larger tree, `first` or more.")
    path: ProofPath = Field(description="The hashes that show it (RFC 9162, section 2.1.4); empty: nothing to show.")


class LogCosignature(Message):
    """A witness's cosignature of the checkpoint of `size` entries."""

    size: int = Field(ge=1, description="How many entries the checkpoint is of.")
    line: Annotated[str, StringConstraints(max_length=600)] = Field(
        description="The signature line of a C2SP cosignature/v1, without its newline."
    )


class LoggedStatement(Message):
    """A statement as its parties see it: where it stands and what hides it."""

    seq: int = Field(description="Index of the entry in the log, from 0.")
    leaf: Digest = Field(description="The leaf of the tree: SHA-256 of a zero byte and the entry.")
    statement: Statement = Field(description="The statement for reading; what counts is the one that is signed.")
    jws: Jws = Field(description="The statement as it was signed.")
    salt: Salt = Field(description="The statement's salt, 16 bytes in hex: what hides it in the public log.")
    matched: bool | None = Field(None, description="Whether both sides' statements agree; absent until they met.")
