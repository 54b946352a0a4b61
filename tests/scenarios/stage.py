"""Plays a scenario: each `when/<n>_<what>.csv` happens to a provider; `then/*.csv` is what it leads to.

What may happen: `points` are registered with their holders, `readings` are handed in (the column `resolution` says how
fine) or a `file` as `<n>_profile.toml` beside it says, rows set aside are let in by a `release`, a holder `consents`,
a requester makes an `activation` (of `aggregates`: without PODs; of forecasts where the column `timing` says so) or a
`request` for data, a holder `revokes`. After each the provider does what it has to do. Then there are the `answers` an
activation got, what the `gate` said right after a revocation, what is `stored` and which rows are set `aside` in the
end, and of every version of every delivery the `manifests` and the values: `<delivery>_v<version>.csv`; of groups the
`groups`, of forecasts the `forecasts` with their error and what is `absent`; what was not told as `refusals` and
`undelivered`.
"""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from meterhall.client.checks import check_bytes, check_content, decode
from meterhall.client.frames import frame_of
from meterhall.domain.errors import MeterhallError
from meterhall.domain.protocol.activations import ActivationItem as ItemIn
from meterhall.domain.protocol.activations import ActivationRequest
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.consents import GrantedDetail
from meterhall.domain.protocol.deliveries import DataRequest, Manifest
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.readings import MISSING
from meterhall.domain.readings.amounts import decimal_text
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.activations.service import request_activation
from meterhall.provider.consents.service import grant, revoke
from meterhall.provider.deliveries.drawing import folder
from meterhall.provider.deliveries.gate import open_part
from meterhall.provider.deliveries.models import Delivery
from meterhall.provider.deliveries.service import live_parts, manifest_view, request_data
from meterhall.provider.metering.intake import profile_of
from meterhall.provider.metering.models import Decision, IngestRun, QuarantinedRow, Series
from meterhall.provider.metering.release import decide
from meterhall.provider.metering.service import lake, spec, take_readings
from meterhall.provider.points.models import Point
from meterhall.provider.points.schemas import OccupancyIn, PointIn
from meterhall.provider.points.service import register_points
from meterhall.web.work.engine import QUEUES, REPEATED, claim, discover, perform
from tests.scenarios.market import (
    OF_AGGREGATE_FORECASTS,
    OF_AGGREGATES,
    OF_FORECASTS,
    REQUESTER,
    SUBSCRIPTION,
    enter_market,
)

FOLLOWING = ("follow_consents", "follow_readings")

PLACE = ("area", "postal_code", "usage_class")

Row = dict[str, str]


@dataclass
class Clock:
    """Stands still until it is moved."""

    at: datetime = datetime(2026, 11, 2, 6, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def __hash__(self) -> int:
        return id(self)


@dataclass
class Scenario:
    """What happened so far, and what came of it: the files of `then`, as rows."""

    folder: Path
    clock: Clock
    outcome: dict[str, list[Row]] = field(default_factory=dict)
    _consents: dict[str, str] = field(default_factory=dict)
    _activation: str = ""
    _begun: dict[str, datetime] = field(default_factory=dict)

    def play(self) -> None:
        """Let everything in `when` happen, in order."""
        discover()
        enter_market(self.clock())
        happenings: dict[str, Callable[[Path], None]] = {
            "points": self._points,
            "readings": self._readings,
            "file": self._file,
            "release": self._release,
            "consents": self._consent,
            "activation": self._activate,
            "aggregates": self._activate_aggregates,
            "request": self._request,
            "revokes": self._revoke,
        }
        for file in sorted((self.folder / "when").glob("*.csv")):
            number, what = file.stem.split("_")[:2]
            self._begun[number] = self.clock()
            happenings[what](file)
            self._settle()
        self.outcome |= {"stored": list(_stored()), "aside": list(_aside()), "undelivered": list(_undelivered())}

    def check(self) -> None:
        """Whether it all came as `then` says; no file of `then` is left out, and none of it is empty."""
        expected = {file.stem: rows_of(file) for file in sorted((self.folder / "then").glob("*.csv"))}
        assert expected
        assert all(expected.values())
        assert {name: self.outcome.get(name) for name in expected} == expected
        versions = {name for name in self.outcome if "_v" in name}
        assert versions <= set(expected), "a version was published that nobody expected"

    def frame(self, row: Row) -> pl.DataFrame:
        """What the requester asks for now, in a format, as its client has it: checked by the manifest, as a frame."""
        asked = {name: row[name] for name in ("granularity", "format")}
        request = DataRequest(activation_id=self._activation, period=_period(row), **asked)  # type: ignore[arg-type]
        delivery = Delivery.objects.get(pk=request_data(request, REQUESTER).delivery_id)
        self._work()
        delivery.refresh_from_db()
        manifest, curves = manifest_view(delivery).manifest, []
        for part, stored in zip(manifest.parts, live_parts(delivery), strict=True):
            path = folder() / stored.path
            check_bytes(path, part)
            curves += decode(path, part, manifest)
            check_content(curves, part, manifest, lambda found: set(found) - set(_pods()))
        return frame_of(curves, _pods())

    def _points(self, file: Path) -> None:
        points: dict[str, PointIn] = {}
        for row in rows_of(file):
            held = OccupancyIn.model_validate(
                {"holder_reference": row["holder"], "from": row["from"], "until": row["until"] or None}
            )
            before = points[row["pod"]].occupancies if row["pod"] in points else ()
            place = {name: row[name] for name in PLACE if row.get(name)}
            points[row["pod"]] = PointIn(pod=row["pod"], zone=row["zone"], occupancies=(*before, held), **place)
        register_points(tuple(points.values()))

    def _readings(self, file: Path) -> None:
        run = take_readings(file.read_bytes(), rows_of(file)[0]["resolution"])
        self._work()
        run = IngestRun.objects.get(pk=run.pk)
        assert run.finished_at is not None
        assert not run.problem, run.problem
        assert run.quarantined == 0

    def _file(self, file: Path) -> None:
        described = file.with_name(f"{file.stem.split('_')[0]}_profile.toml")
        profile = profile_of(tomllib.loads(described.read_text("utf-8")))
        with file.open("rb") as content:
            take_readings(content, "", name=file.name, profile=profile)

    def _release(self, file: Path) -> None:
        for row in rows_of(file):
            run = IngestRun.objects.get(name=row["file"])
            decide(run, releases=True, by=row["by"], rule=row["rule"], reason=row["reason"])

    def _consent(self, file: Path) -> None:
        for row in rows_of(file):
            detail = GrantedDetail(
                need="history",
                subscription_id=OF_FORECASTS if row.get("timing") else SUBSCRIPTION,
                scope=_scope(row),
                purpose="Advice on saving energy",
                access_until=self.clock() + timedelta(days=365),
                points=tuple(Point.objects.get(pod=pod).handle for pod in row["pods"].split()),
            )
            self._consents[row["holder"]] = grant(REQUESTER, row["holder"], [detail]).consent_id

    def _activate(self, file: Path) -> None:
        rows = rows_of(file)
        items = tuple(ItemIn(pod=row["pod"], proof=f"consent:{self._consents[row['consent_of']]}") for row in rows)
        subscription = OF_FORECASTS if rows[0].get("timing") else SUBSCRIPTION
        request = ActivationRequest(subscription_id=subscription, scope=_scope(rows[0]), items=items)
        self._activation = request_activation(request, REQUESTER, is_sandbox=False).activation_id
        self._work()
        answered = Activation.objects.get(pk=self._activation).items.all()
        self.outcome.setdefault("answers", []).extend(_answer(item) for item in answered)

    def _activate_aggregates(self, file: Path) -> None:
        scope = _scope(rows_of(file)[0]).model_copy(update={"kind": "aggregate"})
        subscription = OF_AGGREGATE_FORECASTS if scope.timing == "forecast" else OF_AGGREGATES
        request = ActivationRequest(subscription_id=subscription, scope=scope)
        self._activation = request_activation(request, REQUESTER, is_sandbox=False).activation_id

    def _request(self, file: Path) -> None:
        for number, row in enumerate(rows_of(file), 1):
            request = DataRequest(
                activation_id=self._activation,
                period=_period(row),
                granularity=row["granularity"],  # type: ignore[arg-type]
                format="csv",
                **_group(row),  # type: ignore[arg-type]
            )
            try:
                delivery = request_data(request, REQUESTER).delivery_id
            except MeterhallError as refusal:
                said = {"request": str(number), "code": refusal.code, "field": refusal.field or ""}
                self.outcome.setdefault("refusals", []).append(said)
                continue
            Delivery.objects.filter(pk=delivery).update(salt=f"{Delivery.objects.count():032x}")

    def _revoke(self, file: Path) -> None:
        """A revocation closes the gate at once, before the provider has done anything else."""
        for row in rows_of(file):
            points = tuple(Point.objects.get(pod=pod).handle for pod in row["pods"].split())
            revoke(self._consents[row["holder"]], row["holder"], points)
        for delivery in _deliveries():
            for part in live_parts(delivery):
                self.outcome.setdefault("gate", []).append(_gate(delivery, part.number))

    def _settle(self) -> None:
        """The provider works until nothing is left to do; what it published is read like a requester reads it."""
        self._work()
        for task in REPEATED.values():
            if task.name.endswith(FOLLOWING):
                task.run()
        self._work()
        for number, delivery in enumerate(_deliveries(), 1):
            if delivery.version and f"{number}_v{delivery.version}" not in self.outcome:
                view = manifest_view(delivery)
                self.outcome.setdefault("manifests", []).append(_manifest_row(number, view.manifest))
                self.outcome.setdefault("groups", []).extend(_group_rows(number, view.manifest))
                self.outcome.setdefault("forecasts", []).extend(_forecast_rows(number, view.manifest))
                self.outcome.setdefault("absent", []).extend(_absent_rows(number, view.manifest))
                self.outcome[f"{number}_v{delivery.version}"] = sorted(self._values(delivery), key=_place)
        self.clock.at += timedelta(hours=1)

    def _work(self) -> None:
        queues = [QUEUES[model] for model in (IngestRun, Decision, Activation, Delivery)]
        for _ in range(50):
            claimed = [(queue, row) for queue in queues if (row := claim(queue, self.clock()))]
            if not claimed:
                return
            for queue, row in claimed:
                perform(queue, row)
                assert type(row).objects.get(pk=row.pk).last_error == ""
            self.clock.at += timedelta(seconds=1)
        raise AssertionError("the work never ends")

    def _values(self, delivery: Delivery) -> Iterator[Row]:
        """The rows of all parts, with the POD for its pseudonym and the step since which its values are known."""
        group = manifest_view(delivery).manifest.group
        pods = _pods() | ({one.pseudonym: one.measure for one in group.curves} if group else {})
        for part in live_parts(delivery):
            content = (folder() / part.path).read_text(encoding="utf-8")
            for row in csv.DictReader(io.StringIO(content)):
                known = datetime.fromisoformat(row.pop("available_at"))
                step = max(number for number, begun in self._begun.items() if begun <= known)
                yield {"pod": pods[row.pop("usage_point")], **row, "known_since": step}


def _stored() -> Iterator[Row]:
    """Every value in the lake, of each series in the order of time."""
    for series in Series.objects.exclude(first_day=None).order_by("point__pod", "direction"):
        first, until = (datetime.combine(day, time(), UTC) for day in (series.first_day, series.until_day) if day)
        for block in lake().read([spec(series)], first, until):
            for slot in np.flatnonzero(block.mantissas != MISSING).tolist():
                start = block.start + slot * timedelta(seconds=series.resolution_s)
                yield {
                    "pod": series.point.pod,
                    "direction": series.direction,
                    "start": start.isoformat().replace("+00:00", "Z"),
                    "energy_wh": decimal_text(int(block.mantissas[slot]), series.scale),
                    "quality": str(block.quality[slot]),
                }


def _aside() -> Iterator[Row]:
    for row in QuarantinedRow.objects.select_related("decision").order_by("run", "row", "start_s"):
        by = row.decision.by if row.decision else ""
        yield {"file": row.run.name, "row": str(row.row), "rule": row.rule, "state": row.state, "by": by}


def _undelivered() -> Iterator[Row]:
    for number, delivery in enumerate(_deliveries(), 1):
        if delivery.state == "refused":
            yield {"delivery": str(number), "code": delivery.code}


def rows_of(file: Path) -> list[Row]:
    """The rows of a CSV file by their column's name."""
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _period(row: Row) -> Period:
    return Period.model_validate({"from": row["from"], "until": row["until"]})


def _group(row: Row) -> dict[str, object]:
    """The members of a request that speak of a group of the provider's points."""
    over = {name: row[name] for name in PLACE if row.get(name)}
    return {"group": True, "over": over, "measures": tuple(row["measures"].split())} if over else {}


def _group_rows(number: int, manifest: Manifest) -> Iterator[Row]:
    for month in manifest.group.months if manifest.group else ():
        yield {"delivery": str(number)} | {name: str(value) for name, value in month.document().items()}


def _forecast_rows(number: int, manifest: Manifest) -> Iterator[Row]:
    pods, version = _pods(), str(manifest.version)
    for one in (one for part in manifest.parts for one in part.forecasts or ()):
        yield {
            "delivery": str(number), "version": version, "pod": pods[one.pseudonym], "method": one.method,
            "known_until": str(one.known_until), "tested_from": str(one.tested.first),
            "tested_until": str(one.tested.until), "tested_days": str(one.tested_days), "error_wh": one.error_wh,
            "naive_error_wh": one.naive_error_wh, "error_ratio": one.error_ratio or "",
        }  # fmt: skip


def _absent_rows(number: int, manifest: Manifest) -> Iterator[Row]:
    pods = _pods()
    for one in manifest.forecast.absent if manifest.forecast else ():
        said = {"pod": pods[one.pseudonym], "direction": one.direction, "code": one.code}
        yield {"delivery": str(number), "version": str(manifest.version)} | said


def _scope(row: Row) -> DataScope:
    return DataScope.model_validate(
        {
            "granularities": row["granularities"].split(),
            "period": {"from": row["from"], "until": row["until"]},
            "timing": row.get("timing") or "historical",
        }
    )


def _answer(item: ActivationItem) -> Row:
    first, until = (str(day or "") for day in (item.first, item.until))
    return {"pod": item.pod, "state": item.state, "code": item.code, "from": first, "until": until}


def _deliveries() -> list[Delivery]:
    return list(Delivery.objects.order_by("created_at", "salt"))


def _gate(delivery: Delivery, number: int) -> Row:
    try:
        open_part(delivery, number)
    except MeterhallError as refusal:
        superseded = refusal.members["superseded_by"]
        assert isinstance(superseded, dict)
        return {"part": str(number), "code": refusal.code, "superseded_by": str(superseded["version"])}
    return {"part": str(number), "code": "", "superseded_by": ""}


def _pods() -> dict[str, str]:
    """The requester's own table: which pseudonym stands for which POD."""
    return dict(ActivationItem.objects.exclude(pseudonym="").values_list("pseudonym", "pod"))


def _manifest_row(number: int, manifest: Manifest) -> Row:
    pods = _pods()
    return {
        "delivery": str(number),
        "version": str(manifest.version),
        "reason": manifest.reason,
        "parts": " ".join(str(part.number) for part in manifest.parts),
        "readings": str(manifest.readings),
        "missing": str(sum(part.missing for part in manifest.parts)),
        "withdrawn": " ".join(pods[name] for name in manifest.withdrawn),
    }


def _place(row: Row) -> tuple[str, str, str]:
    return row["pod"], row["direction"], row["start"]
