"""The market a scenario plays in: the Market Place, one requester, and contracts about everything the provider
has: of single curves, of aggregates, and of forecasts of either."""

from __future__ import annotations

from datetime import datetime, timedelta

from meterhall.domain.protocol.agreements import Party, ServiceContract, SubscriptionView
from meterhall.domain.protocol.keys import SigningKey
from meterhall.domain.protocol.offers import CoverageArea, DataScope, Offer, Price
from meterhall.domain.protocol.players import Discovery, Endpoints, KeySet, LegalIdentifier, PlayerView
from meterhall.formats import FORMATS
from meterhall.provider.contracts.models import Contract
from meterhall.web.messaging.peers import remember_marketplace, remember_player, set_access_number

MARKETPLACE, PROVIDER, REQUESTER = "MH0000000009", "MH0000000017", "MH0000000025"
SUBSCRIPTION, OF_AGGREGATES = f"sub_{1:024x}", f"sub_{2:024x}"
OF_FORECASTS, OF_AGGREGATE_FORECASTS = f"sub_{3:024x}", f"sub_{4:024x}"
GRANULARITIES = ("PT5M", "PT10M", "PT15M", "PT30M", "PT1H", "P1D", "P7D", "P1M")


def enter_market(now: datetime) -> None:
    """We are enrolled, know one requester, and have contracts with it about everything we offer."""
    set_access_number(PROVIDER)
    keys = KeySet(transport=(_jwk(),), contract=(_jwk(),))
    legal_id = LegalIdentifier(kind="GLN", value="9521234567899")
    view = PlayerView(
        access_number=REQUESTER, organisation="Sun Coop", country="ES", legal_id=legal_id, roles=("requester",),
        activity="esco", contact="data@sun.example", endpoints=Endpoints(b2b="https://sun.example"), keys=keys,
        status="admitted",
    )  # fmt: skip
    remember_player(view, now + timedelta(days=365))
    hall = Endpoints(b2b="https://market.example")
    remember_marketplace(
        Discovery(
            role="marketplace",
            environment="regulated",
            organisation="Market",
            access_number=MARKETPLACE,
            keys=keys.transport,
            endpoints=hall,
        )
    )
    _contract(now, legal_id, SUBSCRIPTION, {})
    _contract(now, legal_id, OF_AGGREGATES, {"kind": "aggregate"})
    _contract(now, legal_id, OF_FORECASTS, {"timing": "forecast"})
    _contract(now, legal_id, OF_AGGREGATE_FORECASTS, {"kind": "aggregate", "timing": "forecast"})


def _contract(now: datetime, legal_id: LegalIdentifier, subscription: str, kind: dict[str, str]) -> None:
    offer = Offer(
        title="Readings",
        service_type="forecast" if "timing" in kind else "metering_data",
        scope=DataScope.model_validate(
            {"granularities": GRANULARITIES[: 5 if "timing" in kind else None], "directions": ("import", "export")}
            | kind
        ),
        minimum_group=10 if "kind" in kind else None,
        formats=tuple(FORMATS),
        price=Price(amount="0", per="free"),
        countries=("ES",),
        coverage=(CoverageArea(kind="operator_code", country="ES", value="9999"),),
    )
    contract = ServiceContract(
        subscription_id=subscription, environment="regulated", general_contract=f"sha-256:{0:064x}",
        offer_id=f"off_{1:024x}", offer_version=1, offer=offer,
        provider=Party(access_number=PROVIDER, organisation="Red Demo", legal_id=legal_id),
        requester=Party(access_number=REQUESTER, organisation="Sun Coop", legal_id=legal_id),
        access_from=now - timedelta(days=1), access_until=now + timedelta(days=365), drafted_at=now,
    )  # fmt: skip
    signed = SubscriptionView(
        subscription_id=subscription, state="active", contract=contract, digest=contract.fingerprint(), signatures={}
    )
    Contract.objects.create(
        subscription_id=subscription, requester=REQUESTER, requester_name="Sun Coop", state="active",
        document=signed.document(), digest=signed.digest, access_from=contract.access_from,
        access_until=contract.access_until,
    )  # fmt: skip


def _jwk() -> dict[str, str]:
    return SigningKey.generate().public.jwk()
