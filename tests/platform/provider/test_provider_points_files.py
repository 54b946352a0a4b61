"""Metering points from a CSV file: what is read, and what a bad line is refused with."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from meterhall.domain.errors import InvalidInput
from meterhall.domain.pods import demonstration_pod, read
from meterhall.domain.protocol.base import Period
from meterhall.provider.points.files import read_points
from meterhall.provider.points.holders import Holders
from meterhall.provider.points.models import Occupancy, Point
from meterhall.provider.points.service import AmbiguousPod, import_points
from tests.platform.provider.conftest import World

FIRST, SECOND = (demonstration_pod("IT", n).value for n in (0, 1))
HEADING = "pod,zone,area,holder_reference,from,until"


def write(folder: Path, *lines: str, encoding: str = "utf-8") -> Path:
    file = folder / "points.csv"
    file.write_bytes("\n".join(lines).encode(encoding))
    return file


@pytest.mark.django_db
def test_a_point_has_a_line_for_each_stay(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        HEADING,
        f"{FIRST},Europe/Rome,Lazio,H-1,2020-01-01,2026-03-01",
        f"{SECOND},Europe/Rome,,,,",
        f"{FIRST},Europe/Rome,Lazio,H-2,2026-03-01,",
    )
    taken = import_points(file)
    assert (taken.created, taken.updated) == (2, 0)
    stays = Occupancy.objects.filter(point__pod=FIRST).values_list("holder_reference", "first", "until")
    assert list(stays) == [("H-1", date(2020, 1, 1), date(2026, 3, 1)), ("H-2", date(2026, 3, 1), None)]
    assert Point.objects.get(pod=FIRST).area == "Lazio"
    assert not Occupancy.objects.filter(point__pod=SECOND).exists()
    assert (import_points(file).created, Point.objects.count()) == (0, 2)


@pytest.mark.django_db
def test_places_and_meter_exchanges_are_kept_and_cut_no_holders_days(tmp_path: Path) -> None:
    heading = f"{HEADING},postal_code,municipality,address,usage_class,meter,meter_from,meter_until"
    place = "00184,Roma,Via Demo 1,office"
    file = write(
        tmp_path,
        heading,
        f"{FIRST},Europe/Rome,Lazio,H-1,2020-01-01,2026-03-01,{place},M-1,2020-01-01,2024-05-02",
        f"{FIRST},Europe/Rome,Lazio,H-2,2026-03-01,,{place},,,",
        f"{FIRST},Europe/Rome,Lazio,,,,{place},M-2,2024-06-01,",
        f"{FIRST},Europe/Rome,Lazio,H-2,2026-03-01,,{place},M-2,2024-06-01,",
    )
    import_points(file)
    point = Point.objects.get(pod=FIRST)
    assert (point.postal_code, point.municipality, point.address, point.usage_class) == tuple(place.split(","))
    hung = list(point.meters.values_list("number", "first", "until"))
    assert hung == [("M-1", date(2020, 1, 1), date(2024, 5, 2)), ("M-2", date(2024, 6, 1), None)]
    assert Holders([point.pk]).held(point.pk, "H-1") == (Period(first=date(2020, 1, 1), until=date(2026, 3, 1)),)
    import_points(write(tmp_path, "pod,zone,area", f"{FIRST},Europe/Rome,"))
    point.refresh_from_db()
    assert (point.area, point.postal_code, point.usage_class, point.meters.count()) == ("", "00184", "office", 2)


AP = """<?xml version="1.0"?><a:AccountingPoint_Envelope xmlns:a="htthttp://www.eddie.energy/AP/EDD04/20240422">
<a:AccountingPoint_MarketDocument><a:AccountingPointList><!-- one --><a:AccountingPoint>
<a:mRID><a:codingScheme>NIT</a:codingScheme><a:value><![CDATA[{pod}]]></a:value></a:mRID><a:commodity>2</a:commodity>
<a:loadProfileType>H0</a:loadProfileType><a:ContractPartyList/><a:AddressList>
<a:Address><a:addressRole>invoice</a:addressRole><a:cityName>Milano</a:cityName><a:streetName>Corso</a:streetName></a:Address>
<a:Address><a:addressRole>delivery</a:addressRole><a:postalCode>{postal}</a:postalCode><a:cityName>Roma</a:cityName>
<a:streetName>Via Demo</a:streetName><a:buildingNumber>1</a:buildingNumber></a:Address>
</a:AddressList></a:AccountingPoint></a:AccountingPointList></a:AccountingPoint_MarketDocument></a:AccountingPoint_Envelope>"""


@pytest.mark.django_db
def test_a_cim_document_says_where_a_point_is_and_leaves_the_rest_as_it_was(world: World, tmp_path: Path) -> None:
    import_points(write(tmp_path, "pod,zone,area,holder_reference,from", f"{FIRST},Europe/Vaduz,Lazio,H-1,2020-01-01"))
    taken = import_points(write(tmp_path, AP.format(pod=FIRST, postal="00184")))
    point = Point.objects.get(pod=FIRST)
    assert (taken.updated, point.zone, point.area, point.occupancies.count()) == (1, "Europe/Vaduz", "Lazio", 1)
    assert (point.postal_code, point.municipality, point.address) == ("00184", "Roma", "Via Demo 1")
    assert point.usage_class == "H0"
    import_points(write(tmp_path, AP.format(pod=SECOND, postal="")))
    assert Point.objects.get(pod=SECOND).zone == world.home.config.zone


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('<!DOCTYPE a [<!ENTITY x "y">]>' + AP.format(pod=FIRST, postal="&x;")[21:], "/"),
        (AP.format(pod=FIRST, postal="1")[:300], "/"),
        ("<a/>", "/"),
        (AP.format(pod=FIRST, postal="1").replace(">2<", ">7<"), "/AccountingPoint/0/commodity"),
        (AP.format(pod="", postal="1"), "/AccountingPoint/0/mRID/value"),
        (AP.format(pod="IT001E1234", postal="1"), "/AccountingPoint/0/pod"),
        (AP.format(pod=FIRST, postal="1" * 13), "/AccountingPoint/0/postal_code"),
    ],
)
def test_a_bad_or_hostile_document_is_refused_and_nothing_is_stored(
    world: World, text: str, field: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput) as refused:
        import_points(write(tmp_path, text))
    assert (refused.value.field, Point.objects.exists()) == (field, False)


def test_semicolons_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    file = write(tmp_path, "pod;zone;sandbox", f"{FIRST};Europe/Rome;yes", encoding="utf-8-sig")
    points, lines = read_points(file)
    assert (points[0].pod, points[0].sandbox, lines) == (FIRST, True, (2,))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("lines", "field"),
    [
        (["pod,area", f"{FIRST},Lazio"], "/zone"),
        (["pod,zone,colour", f"{FIRST},Europe/Rome,red"], "/colour"),
        ([HEADING], "/lines"),
        ([HEADING, f"{FIRST},Europe/Rome,,H-1,1st of May,"], "/lines/2/from"),
        ([HEADING, f"{FIRST},Europe/Rome,,H-1,,"], "/lines/2/from"),
        ([HEADING, f"{FIRST},Europe/Rome,,,2020-01-01,"], "/lines/2/holder_reference"),
        ([HEADING, f"{FIRST},Europe/Rome,,H-1,2020-01-01,", f"{FIRST},Europe/Paris,,H-2,2021-01-01,"], "/lines/3/zone"),
        ([HEADING, f"{FIRST},Europe/Rome,,H-1,2020-01-01,", f"{FIRST},Europe/Rome,,,,"], "/lines/3/holder_reference"),
        ([HEADING, f"{FIRST},Europe/Rome,,,,", f"{FIRST},Europe/Rome,,,,,one more"], "/lines/3/pod"),
        ([HEADING, f"{FIRST},Europe/Rome,,,,", "IT001E1234,Europe/Rome,,,,"], "/lines/3/pod"),
        ([HEADING, f"{FIRST},Europe/Atlantis,,,,"], "/lines/2/zone"),
        ([HEADING, f"{FIRST},Europe/Rome,,H-1,2021-01-01,2020-01-01"], "/lines/2/occupancies/0/until"),
        (["pod,zone,meter,meter_from", f"{FIRST},Europe/Rome,M-1,"], "/lines/2/meter_from"),
        (
            ["pod,zone,meter,meter_from", f"{FIRST},Europe/Rome,M-1,2020-01-01", f"{FIRST},Europe/Rome,M-2,2021-01-01"],
            "/lines/2/meters/1",
        ),
        ([HEADING, ",Europe/Rome,,,,"], "/lines/2/pod"),
        (["pod,zone,sandbox", f"{FIRST},Europe/Rome,perhaps"], "/lines/2/sandbox"),
    ],
)
def test_a_bad_file_is_refused_naming_the_line_and_nothing_is_stored(
    lines: list[str], field: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput) as refused:
        import_points(write(tmp_path, *lines))
    assert refused.value.field == field
    assert FIRST not in refused.value.detail
    assert not Point.objects.exists()


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_points(write(tmp_path, HEADING, f"{FIRST},Europe/Rome,Forlì,,,", encoding="latin-1"))
    assert (refused.value.code, refused.value.field) == ("bad_points_file", "/file")


@pytest.mark.django_db
def test_a_pod_of_several_countries_is_taken_for_one_of_the_providers_own(world: World, tmp_path: Path) -> None:
    pod = demonstration_pod("BE", 1).value
    assert len(read(pod)) > 1
    file = write(tmp_path, "pod,zone", f"{pod},Europe/Brussels")
    with pytest.raises(AmbiguousPod):
        import_points(file)  # of an Italian provider
    import_points(write(tmp_path, "pod,zone,country", f"{pod},Europe/Brussels,BE"))
    with_country = world.home.config.model_copy(update={"country": "BE"})
    vars(world.home)["config"] = with_country
    assert import_points(file).updated == 1
