"""Activations: PODs with their proofs under a subscription, and the provider's answer for each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from meterhall.domain.protocol.base import (
    Acknowledgement,
    ActivationId,
    ConsentId,
    FormatName,
    GranularityName,
    Instant,
    Message,
    Period,
    SubscriptionId,
)
from meterhall.domain.protocol.offers import DataScope, Transmission

PodText = Annotated[str, StringConstraints(min_length=5, max_length=60)]
SubmittedPod = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""A POD as it stands in somebody's list; what is none is answered `pod_invalid`, and the rest of the list stands."""
ProofText = Annotated[
    str, StringConstraints(pattern=r"^(consent:con_[0-9a-f]{24}|evidence:sha-256:[0-9a-f]{64}|ask_customer|sandbox)$")
]
REFUSALS: dict[str, str] = {
    "pod_invalid": "The POD is not one of a known scheme, or its check digits are wrong.",
    "pod_unknown": "The provider holds no such POD.",
    "pod_duplicate": "The same POD stands in the list twice.",
    "consent_missing": "No consent of the holder covers this POD.",
    "consent_revoked": "The consent was withdrawn.",
    "consent_expired": "The consent has run out.",
    "consent_scope": "The consent does not cover the data asked for.",
    "consent_denied": "The customer refused.",
    "evidence_unknown": "No evidence of this digest was brought.",
    "evidence_assurance": "The evidence's assurance is below what the provider accepts.",
    "evidence_holder": "The evidence is not from the holder of this POD.",
    "moved_out": "The holder who consented no longer holds this POD in the period asked for.",
    "granularity_unavailable": "The series is coarser than the granularity asked for.",
    "period_unavailable": "There is nothing of this POD in the period asked for.",
    "scope_exceeds_offer": "The contract does not cover the data asked for.",
    "contract_ended": "The contract under which it was activated has ended.",
    "activation_ended": "The requester ended it.",
}
"""Why a POD is refused, or why it ended: stable codes with their sentence."""


class Schedule(Message):
    """Deliver without being asked each time: every day for the day before, in this format."""

    every: Literal["P1D"] = "P1D"
    format: FormatName
    granularity: GranularityName
    transmission: Transmission = "pull"


class ActivationItem(Message):
    """One POD with the proof that its holder consents."""

    pod: SubmittedPod = Field(repr=False)
    proof: ProofText


class ActivationRequest(Message):
    """Activate a subscription for PODs (step 6); `scope.period` is the reading period asked for."""

    subscription_id: SubscriptionId
    scope: DataScope
    schedule: Schedule | None = None
    items: tuple[ActivationItem, ...] = Field((), max_length=10_000)


class Activated(Message):
    """The provider took the list; answers follow per POD."""

    activation_id: ActivationId
    accepted_items: int
    acknowledgement: Acknowledgement


class ItemAnswer(Message):
    """The provider's answer for one POD: accepted with what and when, or refused with a code."""

    pod: SubmittedPod = Field(repr=False)
    state: Literal["pending", "accepted", "refused", "ended"]
    code: str | None = Field(None, description="Why refused or ended; see the list of codes.")
    detail: str | None = None
    pseudonym: str | None = Field(None, description="The pairwise pseudonym that stands for the POD in files.")
    consent_id: ConsentId | None = None
    assurance: str | None = None
    readings: Period | None = Field(None, description="The days whose readings may be had: the holder's days only.")
    stretches: tuple[Period, ...] = Field(
        (), description="Where the holder moved out and came back: the days within `readings` that are the holder's."
    )
    access_until: Instant | None = None
    consent_url: str | None = Field(None, description="Where to send the customer, for `ask_customer` items.")


class ActivationView(Message):
    activation_id: ActivationId
    subscription_id: SubscriptionId
    state: Literal["requested", "answered", "ended"]
    scope: DataScope
    accepted: int
    refused: int
    pending: int


class Refresh(Message):
    """Add PODs to, or remove PODs from, a running activation."""

    add: tuple[ActivationItem, ...] = Field((), max_length=10_000)
    remove: tuple[SubmittedPod, ...] = Field((), max_length=10_000, repr=False)
