"""The requester's lists narrow by words and choices, and give as a file what they show."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date

import pytest
from django.test import Client

from meterhall.requester.activations.models import Activation, ActivationItem, ConsentRequest
from meterhall.requester.collection.models import Delivery, Series
from meterhall.requester.customers.models import CustomerPoint
from meterhall.requester.partners.models import Subscription, WishKept
from meterhall.web.accounts.models import Person
from meterhall.web.accounts.session import PROOF, Proof
from meterhall.web.platform import Platform
from tests.platform.lists import Get, holds

from .conftest import GRID, PODS, PSEUDONYMS, START, Clock, make_subscription

pytestmark = pytest.mark.django_db
HILL = "MH0000000707"
OTHER_POD = PSEUDONYMS[1]


@pytest.fixture
def get(eso: Platform, clock: Clock, activation: Activation) -> Get:
    """Two providers; with each a contract and an activation."""
    hill = make_subscription(HILL, mark="6")
    Subscription.objects.filter(pk=hill.pk).update(provider_name="Hill Grid", state="quit")
    document = hill.document
    document["contract"]["offer"]["title"] = "Daily sums"
    Subscription.objects.filter(pk=hill.pk).update(document=document)
    Activation.objects.create(
        subscription=hill, scope=activation.scope, remote_id=f"act_{'b' * 24}", state="ended", created_at=START
    )
    person = Person.objects.create(email="staff@helios.example", name="Ada", roles=["staff"])
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    session = client.session
    session[PROOF] = asdict(Proof(clock().timestamp(), "totp", ("pwd", "otp", "mfa")))
    session.save()
    return client.get  # type: ignore[return-value]


def test_contracts(get: Get) -> None:
    narrow = {"text=daily": 1, f"text=sub_{'6' * 24}": 1, f"provider={HILL}": 1, "state=quit": 1, "state=expired": 0}
    holds(get, "/contracts", narrow, "provider=MH0000000000")


def test_activations(get: Get) -> None:
    narrow = {
        f"text=act_{'b' * 24}": 1,
        f"text=sub_{'6' * 24}": 1,
        f"provider={HILL}": 1,
        "state=refused": 0,
        "waits=yes": 1,
        "waits=no": 1,
    }
    ActivationItem.objects.filter(position=0).update(state="pending")
    holds(get, "/activations", narrow, "state=nonsense")


def test_answers_of_an_activation(get: Get, activation: Activation) -> None:
    activation.items.filter(position=1).update(state="refused", code="consent_missing", detail="No consent.")
    narrow = {"state=refused": 1, "code=consent_missing": 1, "state=pending": 0}
    holds(get, f"/activations/{activation.pk}", narrow, "code=nonsense")


def test_consents(get: Get) -> None:
    for number, sub in enumerate(Subscription.objects.order_by("pk")):
        ConsentRequest.objects.create(
            token=f"t{number}", subscription=sub, reference=f"A-{number}", details=[], oauth_state=f"s{number}",
            verifier=b"", state=("open", "granted")[number], created_at=START,
        )  # fmt: skip
    narrow = {"text=a-1": 1, f"provider={GRID}": 1, "state=granted": 1, "state=denied": 0}
    holds(get, "/consents", narrow, "state=nonsense")


def test_deliveries(get: Get) -> None:
    for number, one in enumerate(Activation.objects.order_by("pk")):
        Delivery.objects.create(
            provider=one.subscription.provider, delivery_id=f"dlv_{number}", activation=one, announced_at=START,
            state=("received", "rejected")[number],
        )  # fmt: skip
    narrow = {
        "text=dlv_1": 1,
        f"text=act_{'a' * 24}": 1,
        f"provider={HILL}": 1,
        "state=rejected": 1,
        "text=dlv_9": 0,
        "look=refused": 1,
        "look=differ": 0,
    }
    holds(get, "/deliveries", narrow, "state=nonsense")


def test_load_curves(get: Get) -> None:
    for number, pod in enumerate(PODS):
        CustomerPoint.objects.create(reference=f"A-{number}", pod=pod, provider=GRID, state="localised")
        Series.objects.create(
            provider=(GRID, HILL)[number], pseudonym=PSEUDONYMS[number], direction=("import", "export")[number],
            granularity="PT15M", first_day=date(2026, 3, 1), until_day=date(2026, 3, 2), received_at=START,
        )  # fmt: skip
    assert ActivationItem.objects.filter(pseudonym=OTHER_POD).exists()
    narrow = {
        "text=a-1": 1,
        f"text={PSEUDONYMS[0]}": 1,
        f"provider={HILL}": 1,
        "direction=export": 1,
        "granularity=P1D": 0,
    }
    holds(get, "/curves", narrow, "granularity=PT7M")
    holds(get, "/curves", {f"text={PODS[0]}": 0}, "direction=sideways")


def test_customers(get: Get) -> None:
    for number, (country, operator) in enumerate((("IT", "Rete"), ("FR", "Enedis"))):
        state = ("localised", "unresolved")[number]
        row = {"pod": PODS[number], "country": country, "operator": operator, "state": state}
        CustomerPoint.objects.create(reference=f"A-{number}", **row)
    narrow = {
        "text=a-1": 1,
        "country=FR": 1,
        "operator=Enedis": 1,
        "state=unresolved": 1,
        "country=SE": 0,
        "look=yes": 1,
    }
    holds(get, "/customers", narrow, "country=XX")
    assert ">not found (1)</option>" in get("/customers").content.decode()


def test_wishes(get: Get) -> None:
    fit = {"offer_id": f"off_{'1' * 24}", "version": 1, "fits": True, "reasons": []}
    near = {"offer_id": f"off_{'2' * 24}", "version": 1, "fits": False, "reasons": ["price: It costs more."]}
    for number, (country, status) in enumerate((("IT", "open"), ("FR", "matched"))):
        asked = {
            "text": ("Quarter hours", "Daily sums")[number], "countries": [country, "BE"], "customers": 4,
            "formats": [], "scope": {"directions": ["import"], "granularities": ["PT15M"]},
        }  # fmt: skip
        name = f"wsh_{str(number) * 24}"
        document = {"wish_id": name, "wish": asked, "status": status, "matches": [fit, near]}
        WishKept.objects.create(wish_id=name, document=document, updated_at=START)
    narrow = {
        "text=daily": 1, f"text=wsh_{'1' * 24}": 1, "country=FR": 1, "country=SE": 0, "state=open": 1,
        "state=closed": 0,
    }  # fmt: skip
    holds(get, "/wishes", narrow, "country=XX")
    form = get("/wishes").content.decode().partition('class="filters"')[2].partition("</form>")[0]
    assert ">BE</option>" in form
    assert ">SE</option>" not in form
    of_one = {"text=costs+more": 1, f"text={fit['offer_id']}": 1, "fits=yes": 1, "fits=no": 1, "text=off_none": 0}
    holds(get, f"/wishes/wsh_{'0' * 24}", of_one, "fits=perhaps")
