"""What the Market Place tells about contracts and players, and signing under a standing acceptance."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from meterhall.domain.protocol.events import (
    CertificationStarted,
    Event,
    PlayerChanged,
    SubscriptionActive,
    SubscriptionEnded,
    SubscriptionRequested,
)
from meterhall.provider.contracts.models import Contract, SigningJob
from meterhall.provider.contracts.service import (
    accept_active,
    admit_certifier,
    end_contract,
    shut_out,
    take_request,
)
from meterhall.provider.contracts.signing import NotCovered, NotToSign, sign_under_acceptance
from meterhall.web.messaging.handlers import on, overtaken
from meterhall.web.platform import platform
from meterhall.web.work.engine import every, works_on


@on("subscription.requested", SubscriptionRequested)
def requested(event: Event, data: SubscriptionRequested) -> None:
    """A requester signed a contract under one of our offers."""
    take_request(data)


@on("subscription.active", SubscriptionActive)
def active(event: Event, data: SubscriptionActive) -> None:
    """A contract came into force."""
    accept_active(data)


@on("subscription.quit", SubscriptionEnded)
def ended(event: Event, data: SubscriptionEnded) -> None:
    """The requester quit. It may have been faster than the contract itself, which must not come into force then."""
    if not Contract.objects.filter(pk=data.subscription_id).exists():
        raise overtaken(event, data.subscription_id)
    end_contract(data.subscription_id, "quit", data.statement_id)


@on("player.suspended", PlayerChanged)
def suspended(event: Event, data: PlayerChanged) -> None:
    """A requester is suspended: nothing goes to it from now on."""
    shut_out(data.player, event.time)


@on("certification.started", CertificationStarted)
def certifier(event: Event, data: CertificationStarted) -> None:
    """The certifier is about to run the conformance checks."""
    admit_certifier(data)


@works_on(SigningJob, gettext_lazy("sign a contract under a standing acceptance"))
def sign_contract(job: SigningJob) -> None:
    """Sign one contract under our standing acceptance; where none covers it, a signer finds it on the portal."""
    try:
        sign_under_acceptance(job.subscription_id)
    except (NotCovered, NotToSign):
        return


@every(600)
def expire() -> None:
    """End contracts whose time is over."""
    now = platform().now()
    for contract in Contract.objects.filter(state="active", access_until__lte=now):
        end_contract(contract.subscription_id, "expired")
