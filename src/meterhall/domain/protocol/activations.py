"""Activations: PODs with their proofs under a subscription, and the provider's answer for each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from meterhall.domain.protocol.base import (
    Acknowledgement,
    ActivationId,
    Compression,
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
    "consent_revoked": "The consent has ended: the customer withdrew it, or the requester gave it up.",
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
    "item_removed": "The requester took this POD out of the activation.",
    "activation_ended": "The requester ended it.",
}
"""Why a POD is refused, or why it ended: stable codes with their sentence."""


class Schedule(Message):
    """Deliver without being asked each time: every day, week or month for the one before."""

    every: Literal["P1D", "P7D", "P1M"] = Field(
        "P1D",
        description="How often (ISO 8601 duration): once a civil day, week (from Monday on) or month, when it is over "
        "in the POD's zone; forecasts every day. The offer's service level says how soon after that.",
    )
    format: FormatName = Field(description="The file format of each delivery; one the contract's offer has.")
    granularity: GranularityName = Field(description="How long a slot is; one of the activation's scope.")
    transmission: Transmission = Field(
        "pull",
        description="`pull`: the requester fetches; `push`: sent to the contract's repository, which must be there.",
    )
    compression: Compression = Field(
        "none", description="How each part is packed: not at all, by gzip, or by zstd; every provider does all three."
    )


class ActivationItem(Message):
    """One POD with the proof that its holder consents."""

    pod: SubmittedPod = Field(
        repr=False, description="The POD; spaces, dots and case are forgiven. What is none is answered `pod_invalid`."
    )
    proof: ProofText = Field(
        description="`consent:<consent id>`: a consent there is; `evidence:<digest>`: evidence brought before; "
        "`ask_customer`: any consent there is, or wait for one; `sandbox`: a certifier's, for sandbox PODs."
    )


class ActivationRequest(Message):
    """Activate a subscription for PODs (step 6); `scope.period` is the reading period asked for."""

    subscription_id: SubscriptionId = Field(
        description="The subscription to activate; its contract is in force. A certifier may invent one."
    )
    scope: DataScope = Field(description="Which data is asked for, within the contract's offer.")
    schedule: Schedule | None = Field(
        None,
        description="Deliver every day, week or month without being asked; absent: only what data requests ask for.",
    )
    items: tuple[ActivationItem, ...] = Field(
        (), max_length=10_000, description="The PODs; may be empty for aggregates over the provider's own points."
    )


class Activated(Message):
    """The provider took the list; answers follow per POD."""

    activation_id: ActivationId
    accepted_items: int = Field(
        description="How many items of the list were taken, to be answered one by one; it says nothing of the answers."
    )
    acknowledgement: Acknowledgement = Field(
        description="`activation.acknowledged`, of a refresh `activation.refreshed.acknowledged`; keep it."
    )


class ItemAnswer(Message):
    """The provider's answer for one POD: accepted with what and when, or refused with a code."""

    pod: SubmittedPod = Field(repr=False, description="The POD exactly as it was submitted.")
    state: Literal["pending", "accepted", "refused", "ended"] = Field(
        description="`pending`: not decided, or the customer is still to consent; `accepted`: its data may be had; "
        "`refused`: it may not; `ended`: it might, and may no longer."
    )
    code: str | None = Field(
        None, description="Why refused or ended: one of the stable codes; absent while pending or accepted."
    )
    detail: str | None = Field(None, description="The same as a sentence for people.")
    pseudonym: str | None = Field(
        None,
        description="The UUID that stands for the POD in files and feeds: one for each requester and consent, the same "
        "while the consent lasts; absent until it is accepted.",
    )
    consent_id: ConsentId | None = Field(
        None, description="The consent it was accepted under; absent until it is accepted, and of sandbox PODs."
    )
    assurance: str | None = Field(
        None,
        description="How far that consent is believed. `requester_stated`: the requester's word; `customer_signed`: "
        "the customer's signature; `customer_confirmed`: given on the provider's page. Absent as `consent_id` is.",
    )
    readings: Period | None = Field(
        None, description="The days whose readings may be had: the consenting holder's only; absent unless accepted."
    )
    stretches: tuple[Period, ...] = Field(
        (),
        description="Where the holder moved out and came back: the days within `readings` that are the holder's. "
        "Empty: all of them are.",
    )
    access_until: Instant | None = Field(
        None,
        description="Until when data may move, excluded: the earlier end of contract and consent; absent until it is "
        "accepted.",
    )


class ActivationView(Message):
    """An activation with the count of its answers."""

    activation_id: ActivationId
    subscription_id: SubscriptionId = Field(description="The subscription it is under.")
    state: Literal["requested", "answered", "ended"] = Field(
        description="`requested`: answers are being made, at first or again; `answered`: they are there; `ended`: "
        "nothing moves any more."
    )
    scope: DataScope = Field(description="Which data was asked for.")
    accepted: int = Field(description="How many PODs are accepted now.")
    refused: int = Field(description="How many PODs are refused now.")
    pending: int = Field(description="How many PODs have no answer yet; PODs that ended are in none of the counts.")


class Refresh(Message):
    """Add PODs to, or remove PODs from, a running activation."""

    add: tuple[ActivationItem, ...] = Field(
        (), max_length=10_000, description="PODs to add, each with its proof; one that was refused may be tried again."
    )
    remove: tuple[SubmittedPod, ...] = Field(
        (), max_length=10_000, repr=False, description="PODs to end, compared as their scheme writes them."
    )
