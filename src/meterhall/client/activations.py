"""An activation in an engineer's hand: its answers, load curves, changes, and its list of points (steps 6 to 10)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Literal

from pydantic import ValidationError

from meterhall.client.advice import advice_for
from meterhall.client.answers import Answers, PodAnswer
from meterhall.client.completeness import completeness
from meterhall.client.curves import ChangedPage, GroupCurves, GroupUnclear, LiveCurves, LoadCurves
from meterhall.client.deliveries import Collected, Collector
from meterhall.client.desk import Desk
from meterhall.client.errors import RemoteRefusal
from meterhall.client.forecasts import Forecasts, NotOfForecasts
from meterhall.client.frames import curve_of, frame_of
from meterhall.client.kept import ActivationKept, Cursor, Refusal
from meterhall.client.line import Line
from meterhall.client.live import look
from meterhall.client.periods import PeriodLike, day_ahead, period_of
from meterhall.client.pods import Examined, Pods, examined, lines_of
from meterhall.client.proofs import Proof, Prover
from meterhall.domain.errors import Conflict, Gone, InvalidInput
from meterhall.domain.protocol.activations import (
    Activated,
    ActivationItem,
    ActivationRequest,
    ActivationView,
    ItemAnswer,
    Refresh,
)
from meterhall.domain.protocol.base import Compression, DirectionName, FormatName, GranularityName
from meterhall.domain.protocol.canonical import digest
from meterhall.domain.protocol.consents import EvidenceView, Termination
from meterhall.domain.protocol.deliveries import Changes, DataRequest, GroupOf
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.readings import parse_granularity

READABLE: tuple[FormatName, ...] = ("parquet", "arrow", "jsonl", "csv", "jsonl_rows", "espi", "cim", "cim_json")
"""The formats, those that are read fastest first."""
KIND, CURSOR = "activation", "cursor"
WEEK_S = 7 * 86_400.0


class ActivationOver(Conflict):
    code = "activation_over"
    title = "The activation has ended."

    @property
    def advice(self) -> str:
        return advice_for("activation_ended")


class NothingToActivate(InvalidInput):
    code = "nothing_to_activate"
    title = "No point of the list can be activated."


class CursorExpired(Gone):
    code = "cursor_expired"
    title = "What changed since the last time is no longer kept by the provider."

    @property
    def advice(self) -> str:
        return advice_for(self.code)


class Activation:
    """PODs under a subscription, each with its proof."""

    def __init__(self, desk: Desk, kept: ActivationKept) -> None:
        self._desk = desk
        self._kept = kept

    def __repr__(self) -> str:
        return f"<Activation {self.id}>"

    @property
    def id(self) -> str:
        return self._kept.activation_id or ""

    @property
    def provider(self) -> str:
        """The provider's access number."""
        return self._kept.provider

    @property
    def scope(self) -> DataScope:
        return self._kept.scope

    @property
    def _line(self) -> Line:
        return self._desk.provider(self.provider)

    @property
    def _path(self) -> str:
        return f"/v1/activations/{self.id}"

    def view(self) -> ActivationView:
        """State and counts at the provider now."""
        return self._line.call("GET", self._path, None, ActivationView)

    def wait(self, timeout_s: float = WEEK_S, *, customers: bool = False) -> Answers:
        """Wait until the provider has answered; with `customers` also until no customer is waited for any more.

        Raises `ActivationOver`, `TimedOut`. Ended from outside, it can be called again.
        """

        def look() -> bool:
            now = self.view()
            total = now.accepted + now.refused + now.pending
            self._desk.tell("wait", total - now.pending, total, "answers")
            if now.state == "ended":
                raise ActivationOver
            return now.state == "answered" and not (customers and now.pending)

        self._desk.pace.until(look, timeout_s, "The answer")
        return self.answers()

    def answers(self) -> Answers:
        """The answer for each POD as it is now."""
        found = [PodAnswer.of(one) for one in self._line.items(f"{self._path}/answers", ItemAnswer)]
        local = [PodAnswer(one.pod, "refused", one.code, one.detail) for one in self._kept.refused]
        return Answers((*found, *local))

    def load_curves(
        self,
        period: PeriodLike | None = None,
        granularity: GranularityName | None = None,
        *,
        pods: Pods | None = None,
        directions: tuple[DirectionName, ...] | None = None,
        format: FormatName | None = None,
        compression: Compression = "none",
        timeout_s: float = WEEK_S,
    ) -> LoadCurves:
        """The load curves of the accepted PODs, or of those among `pods`, with what is missing of them and why.

        Period, granularity and directions are the activation's where none are given; `compression` is how the files are
        packed on their way. Every part is checked against the signed manifest before any of it is shown; a receipt is
        sent. A run that was killed goes on where it stopped.
        Raises `DeliveryRefused`, `DeliveryRejected`, `NoPeriod`, `TimedOut` and like `Line.call`.
        """
        answers = self._chosen(pods)
        accepted = _accepted(answers)
        asked = self._request(period, granularity, directions, format, compression)
        request = asked.model_copy(update={"pseudonyms": () if pods is None else tuple(sorted(accepted))})
        found = self._collect(request, accepted, timeout_s)
        slots = parse_granularity(request.granularity)
        report = completeness(answers, found.curves, request.period, slots, request.directions)
        return LoadCurves(frame_of(found.curves, accepted), report, found.manifest)

    def live_curves(
        self,
        period: PeriodLike | None = None,
        granularity: GranularityName | None = None,
        *,
        pods: Pods | None = None,
        directions: tuple[DirectionName, ...] | None = None,
        format: FormatName | None = None,
    ) -> LiveCurves:
        """The load curves as the provider has them at this moment, at once: nothing is prepared, signed or receipted.

        For a look at a customer's year, not for what is billed: that is `load_curves`. Of `pods` each is asked for by
        itself. Raises `NoPeriod`, `LiveUnreadable` and like `Line.call`.
        """
        answers = self._chosen(pods)
        accepted = _accepted(answers)
        asked = self._request(period, granularity, directions, format, "none")
        request = asked.model_copy(update={"pseudonyms": () if pods is None else tuple(sorted(accepted))})
        curves, slots = look(self._line, self._path, request, accepted), parse_granularity(request.granularity)
        report = completeness(answers, curves, request.period, slots, request.directions)
        return LiveCurves(frame_of(curves, accepted), report)

    def group_curves(
        self,
        period: PeriodLike | None = None,
        granularity: GranularityName | None = None,
        *,
        over: GroupOf | Mapping[str, str] | None = None,
        measures: Iterable[str] = ("sum",),
        pods: Pods | None = None,
        directions: tuple[DirectionName, ...] | None = None,
        format: FormatName | None = None,
        compression: Compression = "none",
        timeout_s: float = WEEK_S,
    ) -> GroupCurves:
        """Sum, mean or percentiles of a group in each slot, never a member: of the accepted PODs, of those among
        `pods`, or, with `over`, of the provider's own points in a place, for which nobody's consent is needed.

        Raises `GroupUnclear` and like `load_curves`; of a group that is too small, or too like an earlier one,
        `DeliveryRefused` or `RemoteRefusal` with the provider's code.
        """
        asked = self._request(period, granularity, directions, format, compression)
        found = self._of_group(asked, pods, over, measures, timeout_s)
        return GroupCurves.of(found.curves, found.manifest)

    def forecasts(
        self,
        granularity: GranularityName | None = None,
        *,
        day: date | str | None = None,
        pods: Pods | None = None,
        directions: tuple[DirectionName, ...] | None = None,
        format: FormatName | None = None,
        compression: Compression = "none",
        timeout_s: float = WEEK_S,
    ) -> Forecasts:
        """What is expected of tomorrow for the accepted PODs, or those among `pods`, with the error of the back-test.

        Tomorrow is that of the offer's first country, unless a `day` is named. Raises `NotOfForecasts`, and like
        `load_curves`; of another day than the provider's tomorrow `RemoteRefusal` with `forecast_day`.
        """
        accepted = _accepted(self._chosen(pods))
        asked = self._of_tomorrow(day, granularity, directions, format, compression)
        request = asked.model_copy(update={"pseudonyms": () if pods is None else tuple(sorted(accepted))})
        found = self._collect(request, accepted, timeout_s)
        return Forecasts.of(found.curves, found.manifest, accepted)

    def group_forecasts(
        self,
        granularity: GranularityName | None = None,
        *,
        day: date | str | None = None,
        over: GroupOf | Mapping[str, str] | None = None,
        measures: Iterable[str] = ("sum",),
        pods: Pods | None = None,
        directions: tuple[DirectionName, ...] | None = None,
        format: FormatName | None = None,
        compression: Compression = "none",
        timeout_s: float = WEEK_S,
    ) -> Forecasts:
        """What is expected of tomorrow for a group, as `group_curves` tells of one. Raises like both."""
        asked = self._of_tomorrow(day, granularity, directions, format, compression)
        found = self._of_group(asked, pods, over, measures, timeout_s)
        return Forecasts.of(found.curves, found.manifest, {})

    def _of_tomorrow(
        self,
        day: date | str | None,
        granularity: GranularityName | None,
        directions: tuple[DirectionName, ...] | None,
        format: FormatName | None,
        compression: Compression,
    ) -> DataRequest:
        if self.scope.timing != "forecast":
            raise NotOfForecasts
        return self._request(day_ahead(day, self._kept.country), granularity, directions, format, compression)

    def _of_group(
        self,
        asked: DataRequest,
        pods: Pods | None,
        over: GroupOf | Mapping[str, str] | None,
        measures: Iterable[str],
        timeout_s: float,
    ) -> Collected:
        accepted = {} if over else _accepted(self._chosen(pods))
        named = () if pods is None or over else tuple(sorted(accepted))
        told = {"group": True, "over": over, "measures": tuple(measures), "pseudonyms": named}
        try:
            request = DataRequest.model_validate({**dict(asked), **told})
        except ValidationError as fault:
            raise GroupUnclear(field=f"/{fault.errors()[0]['loc'][0]}") from None
        return self._collect(request, accepted, timeout_s)

    def _request(
        self,
        period: PeriodLike | None,
        granularity: GranularityName | None,
        directions: tuple[DirectionName, ...] | None,
        format: FormatName | None,
        compression: Compression,
    ) -> DataRequest:
        return DataRequest(
            activation_id=self.id,
            period=period_of(period, self.scope),
            granularity=granularity or self.scope.granularities[0],
            format=format or next(one for one in READABLE if one in self._kept.formats),
            directions=directions or self.scope.directions,
            compression=compression,
        )

    def _collect(self, request: DataRequest, accepted: Mapping[str, str], timeout_s: float) -> Collected:
        collector = Collector(self._desk, self.provider, self._kept.subscription_id, frozenset(accepted))
        return collector.collect(request, timeout_s)

    def _chosen(self, pods: Pods | None) -> list[PodAnswer]:
        answers = list(self.answers())
        if pods is None:
            return answers
        values = {one.value for one in examined(lines_of(pods))}
        chosen = [one for one in answers if one.pod in values]
        if not any(one.state == "accepted" for one in chosen):
            raise NothingToActivate("None of these points is accepted in this activation.", field="/pods")
        return chosen

    def changes(self, *, restart: bool = False) -> Iterator[ChangedPage]:
        """New and corrected values since the last time, a page at a time; none when there is nothing new.

        How far you came is kept in the home when you come back for the next page, so that a page during which your
        program was killed comes again. Raises `CursorExpired`.
        """
        held = None if restart else self._desk.memory.get(CURSOR, self.id, Cursor)
        since = held.since if held else None
        pods = {one.pseudonym: one.pod for one in self.answers() if one.pseudonym}
        while True:
            page = self._changes(since)
            curves = [curve_of(item) for item in page.items if item.pseudonym in pods]
            if curves:
                yield ChangedPage(frame_of(curves, pods))
            since = page.cursor
            self._desk.memory.put(CURSOR, self.id, Cursor(since=since))
            if not page.more:
                return

    def _changes(self, since: str | None) -> Changes:
        try:
            return self._line.call("GET", f"{self._path}/changes", None, Changes, params={"since": since})
        except RemoteRefusal as refusal:
            if refusal.remote_code == "cursor_expired":
                raise CursorExpired from refusal
            raise

    def add(self, pods: Pods, proof: Proof = "ask_customer") -> None:
        """Add PODs with their proof; the answers follow."""
        _refresh(self._desk, self._kept, examined(lines_of(pods)), proof, ())

    def remove(self, pods: Pods) -> None:
        """Remove PODs: nothing of them moves any more."""
        values = tuple(one.value for one in examined(lines_of(pods)))
        _refresh(self._desk, self._kept, [], "ask_customer", values)

    def end(self, reason: Literal["fulfilled", "contract_ended", "other"] = "fulfilled") -> ActivationView:
        """End it: nothing moves any more."""
        return self._line.call("POST", f"{self._path}/termination", Termination(reason=reason), ActivationView)


def _accepted(answers: list[PodAnswer]) -> dict[str, str]:
    """The POD behind each pseudonym."""
    return {one.pseudonym: one.pod for one in answers if one.state == "accepted" and one.pseudonym}


def activate(desk: Desk, kept: ActivationKept, pods: Pods | None, proof: Proof) -> Activation:
    """Bring the evidence, then the list (step 6). The same list under the same scope again is the same activation.

    Without `pods` there is no list: what is asked for is of areas.
    PODs that are none, and evidence that is not taken, are refused in the answers. Raises `NothingToActivate`,
    `NoProof`, and like `Line.call`.
    """
    listed = [] if pods is None else examined(lines_of(pods))
    words = "" if not isinstance(proof, str) else proof
    named = "\n".join(sorted(one.value for one in listed))
    key = digest(f"{kept.subscription_id} {kept.scope.fingerprint()} {words} {named}".encode())[-64:]
    known = desk.memory.get(KIND, key, ActivationKept)
    if known is not None and known.activation_id and not _is_over(desk, known):
        return Activation(desk, known)
    earlier = known.activation_id if known else None
    kept = kept.model_copy(update={"key": key})
    items, refused = _items(desk, kept, listed, proof)
    if not items and pods is not None:
        codes = ", ".join(sorted({one.code for one in refused})) or "the list is empty"
        raise NothingToActivate(f"No point of the list can be activated: {codes}.", field="/pods")
    request = ActivationRequest(subscription_id=kept.subscription_id, scope=kept.scope, items=tuple(items))
    line = desk.provider(kept.provider)
    command = digest(f"{request.fingerprint()} {earlier or ''}".encode())[-64:]
    taken = line.call("POST", "/v1/activations", request, Activated, key=command)
    kept = kept.model_copy(update={"activation_id": taken.activation_id, "refused": tuple(refused)})
    desk.memory.put(KIND, key, kept)
    made = desk.statement(
        "activation.requested",
        kept.provider,
        transaction_id=kept.subscription_id,
        subject=taken.activation_id,
        counts={"items": len(items)},
    )
    desk.notify(*made)
    return Activation(desk, kept)


def _is_over(desk: Desk, kept: ActivationKept) -> bool:
    try:
        return Activation(desk, kept).view().state == "ended"
    except RemoteRefusal as refusal:
        if refusal.remote_code == "unknown_activation":
            return True
        raise


def _items(
    desk: Desk, kept: ActivationKept, listed: list[Examined], proof: Proof
) -> tuple[list[ActivationItem], list[Refusal]]:
    """What is sent, and what is refused before."""
    fit = {one.value: one for one in listed if one.pod is not None}
    unfit = [one for one in listed if one.pod is None and one.line.written]
    refused = [Refusal(pod=one.value, code=one.code or "pod_invalid", detail=one.detail or "") for one in unfit]
    prover = Prover.of(proof, desk.me, desk.key, kept.scope)
    prover.check(list(fit.values()))
    items = []
    for done, pod in enumerate(fit, 1):
        word = prover.word(pod) or _bring(desk, kept.provider, prover, pod, refused)
        if word:
            items.append(ActivationItem(pod=pod, proof=word))
        desk.tell("evidence", done, len(fit), "points")
    return items, refused


def _bring(desk: Desk, provider: str, prover: Prover, pod: str, refused: list[Refusal]) -> str | None:
    """Bring one piece of evidence; its name, or None where it is refused."""
    evidence = prover.evidence(pod)
    try:
        taken = desk.provider(provider).call(
            "POST", "/v1/evidence", evidence, EvidenceView, key=digest(evidence.jws.encode())[-64:]
        )
    except RemoteRefusal as refusal:
        if refusal.remote_status != 422:
            raise
        refused.append(Refusal(pod=pod, code=refusal.remote_code, detail=refusal.remote_detail))
        return None
    return f"evidence:{taken.digest}"


def _refresh(desk: Desk, kept: ActivationKept, add: list[Examined], proof: Proof, remove: tuple[str, ...]) -> None:
    items, refused = _items(desk, kept, add, proof) if add else ([], [])
    if not items and not remove:
        raise NothingToActivate(field="/pods")
    body = Refresh(add=tuple(items), remove=remove)
    desk.provider(kept.provider).call("POST", f"/v1/activations/{kept.activation_id}/items", body, Activated)
    if refused:
        desk.memory.put(KIND, kept.key, kept.model_copy(update={"refused": (*kept.refused, *refused)}))
    made = desk.statement(
        "activation.refreshed",
        kept.provider,
        transaction_id=kept.subscription_id,
        subject=kept.activation_id or "",
        counts={"added": len(items), "removed": len(remove)},
    )
    desk.notify(*made)


def kept_activations(desk: Desk) -> Mapping[str, ActivationKept]:
    """The activations this client sent, by their id."""
    return {kept.activation_id: kept for _, kept in desk.memory.all(KIND, ActivationKept) if kept.activation_id}
