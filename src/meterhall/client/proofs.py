"""What an engineer brings to show that customers consent: the provider asks them, they signed, we state it, or a
consent given at the provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from meterhall.client.pods import Examined, Line, examined, read_table
from meterhall.domain.errors import InvalidInput
from meterhall.domain.protocol.consents import EVIDENCE_TYP, ConsentStatement, Evidence
from meterhall.domain.protocol.keys import SigningKey, sign
from meterhall.domain.protocol.offers import DataScope


class NoProof(InvalidInput):
    code = "no_proof"
    title = "A point has no proof: bring its evidence, or name it with proof ask_customer."


@dataclass(frozen=True, slots=True)
class SignedByCustomer:
    """Consents that customers signed: the JWS of each POD (`customer_signed`)."""

    jws: Mapping[str, str] = field(repr=False)

    @classmethod
    def from_csv(cls, path: Path | str) -> SignedByCustomer:
        """From a file with the columns `pod` and `jws`. Raises `UnusableTable`, `NoProof`."""
        return cls(_column(Path(path), "jws"))


@dataclass(frozen=True, slots=True)
class StatedByUs:
    """Our own word, under our transport key (`requester_stated`): which holder consented to each POD, for what."""

    holders: Mapping[str, str] = field(repr=False)
    purpose: str
    access_until: datetime

    @classmethod
    def from_csv(cls, path: Path | str, purpose: str, access_until: datetime) -> StatedByUs:
        """From a file with the columns `pod` and `holder_reference`. Raises `UnusableTable`, `NoProof`."""
        return cls(_column(Path(path), "holder_reference"), purpose, access_until)


@dataclass(frozen=True, slots=True)
class GivenConsents:
    """Consents given on the provider's page: the id of each POD's."""

    consents: Mapping[str, str] = field(repr=False)

    @classmethod
    def from_csv(cls, path: Path | str) -> GivenConsents:
        """From a file with the columns `pod` and `consent`. Raises `UnusableTable`, `NoProof`."""
        return cls(_column(Path(path), "consent"))


Proof = Literal["ask_customer", "sandbox"] | SignedByCustomer | StatedByUs | GivenConsents


def _column(path: Path, name: str) -> dict[str, str]:
    found = {}
    for row in read_table(path):
        if not row.get("pod") or not row.get(name):
            raise NoProof(f"{path} needs the columns pod and {name} in every line.", field=f"/{name}")
        found[row["pod"].strip()] = row[name].strip()
    return found


def same_pods(given: Mapping[str, str]) -> dict[str, str]:
    """The mapping under PODs as they go into messages, however they were written."""
    return {one.value: given[one.line.written] for one in examined(Line(at, pod) for at, pod in enumerate(given))}


@dataclass(frozen=True, slots=True)
class Prover:
    """Makes the proof of each POD of an activation. `given` are the texts of the proof by POD."""

    proof: Proof
    requester: str
    key: SigningKey
    scope: DataScope
    given: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, proof: Proof, requester: str, key: SigningKey, scope: DataScope) -> Prover:
        texts: Mapping[str, str] = {}
        if isinstance(proof, SignedByCustomer):
            texts = proof.jws
        elif isinstance(proof, StatedByUs):
            texts = proof.holders
        elif isinstance(proof, GivenConsents):
            texts = proof.consents
        return cls(proof, requester, key, scope, same_pods(texts))

    def check(self, wanted: list[Examined]) -> None:
        """Raises `NoProof`, naming the line, where one has none."""
        if not isinstance(self.proof, str):
            for one in wanted:
                if one.value not in self.given:
                    raise NoProof(f"Line {one.line.number + 1} has no proof.", field=f"/pods/{one.line.number}")

    def word(self, pod: str) -> str | None:
        """The item's proof where no evidence is to be brought for it."""
        if isinstance(self.proof, str):
            return self.proof
        return f"consent:{self.given[pod]}" if isinstance(self.proof, GivenConsents) else None

    def evidence(self, pod: str) -> Evidence:
        """The evidence to be brought for a POD whose `word` is None."""
        if isinstance(self.proof, StatedByUs):
            statement = ConsentStatement(
                pod=pod,
                requester=self.requester,
                holder_reference=self.given[pod],
                scope=self.scope,
                purpose=self.proof.purpose,
                given_at=datetime.now(UTC),
                access_until=self.proof.access_until,
            )
            return Evidence(assurance="requester_stated", jws=sign(statement.document(), self.key, typ=EVIDENCE_TYP))
        return Evidence(assurance="customer_signed", jws=self.given[pod])
