"""A requester's engineer with the SDK and nothing else: admitted, under contract, with its customers' consents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from meterhall.client import Activation, Meterhall, Subscription, create
from meterhall.client.proofs import SignedByCustomer
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.consents import ConsentStatement
from meterhall.domain.protocol.offers import DataScope
from tests.e2e.town import FIRST, UNTIL, Streets, gln, holder, pod

CONSENTING = range(59)
"""The households whose holders signed; the last one has to be asked."""
REDIRECT = "https://sdk.invalid/back"
PASSPHRASE = "a passphrase of a signer"
SCOPE = DataScope(granularities=("PT15M", "PT1H", "P1D"), period=Period.model_validate({"from": FIRST, "until": UNTIL}))


@dataclass
class Office:
    """An engineer's desk: the client's home and what is at hand for it."""

    streets: Streets
    home: Path
    hall: Meterhall

    def consents(self, numbers: range) -> SignedByCustomer:
        """The households' consents to us, each signed with its holder's card."""
        return SignedByCustomer({pod(number): self.card(number) for number in numbers})

    def card(self, number: int) -> str:
        return self.streets.cards.signed(
            ConsentStatement(
                pod=pod(number),
                requester=self.hall.access_number,
                holder_reference=holder(number),
                scope=SCOPE,
                purpose="Advice",
                given_at=datetime.now(UTC),
                access_until=datetime.now(UTC) + timedelta(days=30),
            )
        )


def enter(streets: Streets, home: Path, name: str, legal_id: int) -> Meterhall:
    """A client that is admitted and has signed the terms."""
    create(
        home,
        marketplace=streets["marketplace"].b2b,
        organisation=name,
        country="ES",
        address="https://sdk.invalid",
        contact="data@sdk.invalid",
        passphrase=PASSPHRASE,
        redirect_uris=(REDIRECT,),
        trust=(streets.town.ca / "ca.pem").read_bytes(),
    )
    hall = Meterhall.connect(home)
    streets.admit(hall.enrol(f"GLN:{gln(legal_id)}", "esco").access_number)
    hall.wait_admitted(60)
    hall.sign_terms(hall.signer("Stella Signer", PASSPHRASE))
    return hall


@pytest.fixture(scope="session")
def office(streets: Streets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    home = tmp_path_factory.mktemp("clients") / "my-company"
    with enter(streets, home, "Consulta Ligera", 501) as hall:
        yield Office(streets, home, hall)


@pytest.fixture(scope="session")
def contract(office: Office) -> Subscription:
    """In force."""
    hall = office.hall
    offer = next(one for one in hall.search(country="ES") if one.provider == office.streets.numbers["grid"])
    return hall.subscribe(offer, ("corrections",), signer=hall.signer("Stella Signer", PASSPHRASE)).wait(120)


@pytest.fixture(scope="session")
def households(office: Office, contract: Subscription) -> Activation:
    """All that consent, answered."""
    made = contract.activate([pod(number) for number in CONSENTING], office.consents(CONSENTING))
    made.wait(240)
    return made
