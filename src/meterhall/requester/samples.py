"""The same step from an engineer's own system: in Python, on the command line, and with curl for any other language.

The engineer's system is a client of its own (`meterhall client init`); headers come from `meterhall token headers`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from meterhall.domain.protocol.agreements import ServiceContract
from meterhall.web.messaging.models import Peer
from meterhall.web.platform import platform
from meterhall.web.portal.values import Sample

OPENING = 'from meterhall.client import Meterhall\n\nhall = Meterhall.connect("my-company")\n'


def search(country: str, granularity: str) -> list[Sample]:
    """Step 2."""
    wanted = {name: value for name, value in (("country", country), ("granularity", granularity)) if value}
    named = ", ".join(f'{name}="{value}"' for name, value in wanted.items())
    python = OPENING + f"offers = hall.search({named})"
    options = "".join(f" --{name} {value}" for name, value in wanted.items())
    query = "&".join(f"{name}={value}" for name, value in wanted.items())
    url = f"{_market()}/v1/offers" + (f"?{query}" if query else "")
    return _samples(python, f"meterhall client search{options}", f'curl "{url}"')


def localisation() -> list[Sample]:
    """Step 4."""
    python = OPENING + 'found = hall.localise("customers.csv")\nprint(found.frame)'
    body = {"items": [{"scheme": "IT", "operator_part": "001"}]}
    command = "meterhall client localise customers.csv --out localised.csv"
    return _samples(python, command, _curl("POST", f"{_market()}/v1/localisations", body))


def subscription(offer_id: str, version: int) -> list[Sample]:
    """Step 5."""
    python = OPENING + (
        'signer = hall.signer("Stella Signer", passphrase)\n'
        f'subscription = hall.subscribe("{offer_id}", signer=signer).wait()'
    )
    command = f'meterhall client subscribe {offer_id} --signer "Stella Signer"'
    body = {"offer_id": offer_id, "offer_version": version}
    return _samples(python, command, _curl("POST", f"{_market()}/v1/subscriptions", body, repeatable=True))


def activation(contract: ServiceContract) -> list[Sample]:
    """Step 6."""
    name, scope = contract.subscription_id, contract.offer.scope
    python = OPENING + (
        f'activation = hall.subscription("{name}").activate("customers.csv", proof="ask_customer")\n'
        "print(activation.wait().frame)"
    )
    command = f"meterhall client activate {name} customers.csv --ask-customer"
    body = {
        "subscription_id": name,
        "scope": scope.document(),
        "items": [{"pod": "IT001E00000001", "proof": "ask_customer"}],
    }
    url = f"{_provider(contract.provider.access_number)}/v1/activations"
    return _samples(python, command, _curl("POST", url, body, repeatable=True))


def data(contract: ServiceContract, activation_id: str, granularity: str, first: date, until: date) -> list[Sample]:
    """Steps 8 to 10."""
    python = OPENING + (
        f'activation = hall.activation("{activation_id}")\n'
        f'curves = activation.load_curves(("{first}", "{until}"), "{granularity}")\n'
        "print(curves.frame, curves.completeness)"
    )
    command = (
        f"meterhall client fetch {activation_id} --from {first} --until {until} --granularity {granularity} "
        "--out curves.parquet"
    )
    body = {
        "activation_id": activation_id,
        "period": {"from": str(first), "until": str(until)},
        "granularity": granularity,
        "format": contract.offer.formats[0],
    }
    url = f"{_provider(contract.provider.access_number)}/v1/data-requests"
    return _samples(python, command, _curl("POST", url, body, repeatable=True))


def _samples(python: str, command: str, curl: str) -> list[Sample]:
    return [Sample("Python", python), Sample(_("Command line"), command), Sample("curl", curl)]


def _curl(method: str, url: str, body: Mapping[str, object], *, repeatable: bool = False) -> str:
    said = json.dumps(body, separators=(",", ":"))
    lines = [
        f"curl -X {method} {url} \\",
        f"  -H @<(meterhall token headers {method} {url}) \\",
        "  -H 'Content-Type: application/json' \\",
        *(['  -H "Idempotency-Key: $(uuidgen)" \\'] if repeatable else []),
        f"  -d '{said}'",
    ]
    return "\n".join(lines)


def _market() -> str:
    return _address(Peer.objects.filter(is_marketplace=True), platform().config.marketplace_url)


def _provider(access_number: str) -> str:
    return _address(Peer.objects.filter(access_number=access_number), "https://provider.example")


def _address(peers: QuerySet[Peer], otherwise: str) -> str:
    """Where a party is reached, as it was last vouched for."""
    return (peers.values_list("b2b_url", flat=True).first() or otherwise).rstrip("/")
