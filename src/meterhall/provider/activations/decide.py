"""The decision for each POD of an activation: what may be had of it, or the code why not. Changes nothing.

Everything the decisions need is read first, in a few queries for however many PODs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from meterhall.domain.consent import Refused
from meterhall.domain.privacy import pairwise_pseudonym
from meterhall.domain.protocol.agreements import ServiceContract
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.offers import DataScope
from meterhall.provider.activations.models import ActivationItem
from meterhall.provider.consents.covering import ConsentBook, Wanted
from meterhall.provider.consents.models import ConsentItem, Evidence
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.service import series_of, unavailable
from meterhall.provider.points.holders import FOREVER, Holders
from meterhall.provider.points.models import Point
from meterhall.provider.points.service import fits_elsewhere, pod_of, points_by_pod
from meterhall.web.platform import platform
from meterhall.web.sets import pieces


@dataclass(frozen=True, slots=True)
class Accepted:
    """What may be had: the point under its pseudonym, the holder's days, until when."""

    point: Point
    consent_item: ConsentItem | None
    pseudonym: str
    days: tuple[Period, ...]
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
    assurances: tuple[str, ...]
    contract: ServiceContract | None
    """None in the sandbox, which knows no contract."""

    @property
    def is_sandbox(self) -> bool:
        return self.contract is None

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.requester, self.subscription_id, self.scope, self.assurances)


@dataclass(frozen=True, slots=True)
class Material:
    """What the decisions are made from."""

    frame: Frame
    points: dict[str, Point]
    consents: ConsentBook
    evidence: dict[str, list[Evidence]]
    holders: Holders
    series: dict[int, list[Series]]

    def decide(self, item: ActivationItem) -> Decision:
        """Each check in turn; the first that fails gives the code."""
        if not item.key:
            return Refused("pod_unknown" if fits_elsewhere(item.pod) else "pod_invalid")
        point = self.points.get(item.key)
        if point is None or point.is_sandbox != self.frame.is_sandbox:
            return Refused("pod_unknown")
        if self.frame.is_sandbox:
            return self._offered(point, None, (self.frame.scope.period or _ALWAYS,))
        kind, _, name = item.proof.partition(":")
        return _PROOFS[kind](self, point, name)

    def by_consent(self, point: Point, consent_id: str | None) -> Decision:
        """Under one consent, or under any."""
        covered = self.consents.covering(self.frame.wanted, point, consent_id)
        if isinstance(covered, Refused):
            return covered
        holder = covered.item.consent.holder_reference
        days = self.holders.held(point.pk, holder, self.frame.scope.period)
        return self._offered(point, covered.item, days) if days else Refused("moved_out")

    def by_evidence(self, point: Point, digest: str) -> Decision:
        """Under the consent that a piece of evidence stands for; of several assurances, the best answer."""
        decision: Decision = Refused("evidence_unknown")
        for brought in self.evidence.get(digest, []):
            if brought.consent_id is None:
                decision = Refused(brought.code)
                continue
            decision = self.by_consent(point, brought.consent_id)
            if not isinstance(decision, Refused):
                break
        return decision

    def by_asking(self, point: Point, _: str) -> Decision:
        """Under whatever consent there is; where there is none, or none any more, the customer is asked."""
        answer = self.by_consent(point, None)
        ask = isinstance(answer, Refused) and answer.code in _ASK_AGAIN
        return Pending(point) if ask else answer

    def _offered(self, point: Point, item: ConsentItem | None, days: tuple[Period, ...]) -> Decision:
        refusal = unavailable(self.series.get(point.pk, []), self.frame.scope, days)
        if refusal is not None:
            return refusal
        consent_id = item.consent_id if item is not None else "sandbox"
        key = platform().home.derived_key("pseudonyms")
        pseudonym = pairwise_pseudonym(key, self.frame.requester, pod_of(point), consent_id)
        until = self.frame.access_until if item is None else min(self.frame.access_until, item.access_until)
        return Accepted(point, item, str(pseudonym), days, until)


_ALWAYS = Period.model_validate({"from": "1970-01-01", "until": FOREVER})
_ASK_AGAIN = frozenset({"consent_missing", "consent_revoked", "consent_expired", "consent_scope", "evidence_assurance"})
_PROOFS: dict[str, Callable[[Material, Point, str], Decision]] = {
    "consent": Material.by_consent,
    "evidence": Material.by_evidence,
    "ask_customer": Material.by_asking,
    "sandbox": lambda material, point, name: Refused("consent_missing"),
}


def gather(items: Iterable[ActivationItem], frame: Frame) -> Material:
    """Read what the decisions about these items need."""
    known = list(items)
    points = points_by_pod({item.key for item in known if item.key})
    ids = [point.pk for point in points.values()]
    digests = {item.proof.partition(":")[2] for item in known if item.proof.startswith("evidence:")}
    evidence: dict[str, list[Evidence]] = {}
    for some in pieces(digests):
        for one in Evidence.objects.filter(requester=frame.requester, digest__in=some).order_by("accepted", "pk"):
            evidence.setdefault(one.digest, []).append(one)
    consents = ConsentBook(frame.requester, [] if frame.is_sandbox else ids)
    return Material(frame, points, consents, evidence, Holders(ids), series_of(ids))
