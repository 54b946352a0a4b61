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

    format: Literal["meterhall-proof/1"] = "meterhall-proof/1"
    statement: Jws
    salt: Salt
    key: Jwk = Field(description="The maker's public key; its thumbprint is the `kid` that the statement names.")
    seq: int = Field(ge=0, description="Index of the entry in the log.")
    path: ProofPath = Field(description="Inclusion path, the leaf's sibling first.")
    checkpoint: Annotated[str, StringConstraints(max_length=1_000_000)] = Field(
        description="The checkpoint as a C2SP signed note, with the witnesses' cosignatures."
    )


class ConsistencyProof(Message):
    """That the tree of `first` entries is the beginning of the one of `second`."""

    first: int = Field(ge=0)
    second: int = Field(ge=0)
    path: ProofPath


class LogCosignature(Message):
    """A witness's cosignature of the checkpoint of `size` entries."""

    size: int = Field(ge=1)
    line: Annotated[str, StringConstraints(max_length=600)] = Field(
        description="The signature line of a C2SP cosignature/v1, without its newline."
    )


class LoggedStatement(Message):
    """A statement as its parties see it: where it stands and what hides it."""

    seq: int
    leaf: Digest
    statement: Statement
    jws: Jws
    salt: Salt
    matched: bool | None = Field(None, description="Whether both sides' statements agree; absent until they met.")
