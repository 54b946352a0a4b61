"""The decision for one POD of an activation: what may be had of it, or the code why not. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from meterhall.domain.consent import Refused
from meterhall.domain.errors import InvalidInput
from meterhall.domain.pods import Pod
from meterhall.domain.privacy import pairwise_pseudonym
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.offers import DataScope
from meterhall.provider.activations.models import ActivationItem
from meterhall.provider.consents.models import Consent, ConsentItem, Evidence
from meterhall.provider.consents.service import covering
from meterhall.provider.metering.service import available_days
from meterhall.provider.points.models import Point
from meterhall.provider.points.service import find_point, held_days, one_pod
from meterhall.web.platform import platform


@dataclass(frozen=True, slots=True)
class Accepted:
    """What may be had: the point under its pseudonym, the holder's days, until when."""

    point: Point
    consent_item: ConsentItem | None
    pseudonym: str
    days: Period
    access_until: datetime


@dataclass(frozen=True, slots=True)
class Pending:
    """The customer has still to be asked."""

    point: Point


Decision = Accepted | Pending | Refused


@dataclass(frozen=True, slots=True)
class Frame:
    """What is the same for every item of an activation. `scope.period` bounds the readings."""

    requester: str
    subscription_id: str
    scope: DataScope
    access_until: datetime
    is_sandbox: bool


def decide(item: ActivationItem, frame: Frame) -> Decision:
    """Each check in turn; the first that fails gives the code."""
    try:
        pod = one_pod(item.pod, platform().config.country, f"/items/{item.position}/pod")
    except InvalidInput:
        return Refused("pod_invalid")
    point = find_point(pod)
    if point is None or point.is_sandbox != frame.is_sandbox:
        return Refused("pod_unknown")
    if frame.is_sandbox:
        return _offered(point, pod, frame, None, frame.scope.period)
    return _PROOFS[item.proof.partition(":")[0]](item, point, pod, frame)


def _by_consent(item: ActivationItem, point: Point, pod: Pod, frame: Frame) -> Decision:
    consent = Consent.objects.filter(consent_id=item.proof.partition(":")[2], requester=frame.requester).first()
    if consent is None:
        return Refused("consent_missing")
    return _by(consent, point, pod, frame)


def _by_evidence(item: ActivationItem, point: Point, pod: Pod, frame: Frame) -> Decision:
    brought = Evidence.objects.filter(digest=item.proof.partition(":")[2], requester=frame.requester).first()
    if brought is None:
        return Refused("evidence_unknown")
    if brought.consent is None:
        return Refused(brought.code)
    return _by(brought.consent, point, pod, frame)


def _by_asking(item: ActivationItem, point: Point, pod: Pod, frame: Frame) -> Decision:
    answer = _by(None, point, pod, frame)
    missing = isinstance(answer, Refused) and answer.code == "consent_missing"
    return Pending(point) if missing else answer


def _by_sandbox(item: ActivationItem, point: Point, pod: Pod, frame: Frame) -> Decision:
    return Refused("consent_missing")


_PROOFS: dict[str, Callable[[ActivationItem, Point, Pod, Frame], Decision]] = {
    "consent": _by_consent,
    "evidence": _by_evidence,
    "ask_customer": _by_asking,
    "sandbox": _by_sandbox,
}


def _by(consent: Consent | None, point: Point, pod: Pod, frame: Frame) -> Decision:
    covered = covering(frame.requester, frame.subscription_id, point, frame.scope, consent)
    if isinstance(covered, Refused):
        return covered
    item = covered.item
    period = frame.scope.period
    if period is not None:
        held = held_days(point, item.consent.holder_reference, period)
        if held is None:
            return Refused("moved_out")
        period = held.days
    return _offered(point, pod, frame, item, period)


def _offered(point: Point, pod: Pod, frame: Frame, item: ConsentItem | None, period: Period | None) -> Decision:
    available = available_days(point, frame.scope, period)
    if isinstance(available, Refused):
        return available
    consent_id = item.consent.consent_id if item is not None else "sandbox"
    pseudonym = pairwise_pseudonym(platform().home.derived_key("pseudonyms"), frame.requester, pod, consent_id)
    until = frame.access_until if item is None else min(frame.access_until, item.access_until)
    return Accepted(point, item, str(pseudonym), available, until)
