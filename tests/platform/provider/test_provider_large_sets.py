"""Points asked for by a list: one parameter of one query, on every database, however long the list."""

from __future__ import annotations

from django.db import connection
from django.test.utils import CaptureQueriesContext

from meterhall.provider.metering.models import Series
from meterhall.provider.points.models import Occupancy, Point
from meterhall.provider.points.service import keys_by_pod
from meterhall.web.sets import among
from tests.platform.provider.conftest import World

MORE_THAN_A_QUERY_TAKES = 70_000
"""Parameters: SQLite takes 32,766 as it is built here, PostgreSQL 65,535."""


def test_by_key_by_reference_and_by_text(world: World) -> None:
    points = world.points(4)
    some, pods = [one.pk for one in points[:2]], {one.pod for one in points[1:3]}
    assert set(Point.objects.filter(among("pk", some))) == set(points[:2])
    assert {one.point_id for one in Occupancy.objects.filter(among("point", some))} == set(some)
    assert set(Point.objects.filter(among("pod", pods))) == set(points[1:3])
    assert set(Occupancy.objects.filter(among("point__pod", pods)).values_list("point", flat=True)) == {
        one.pk for one in points[1:3]
    }
    assert set(Point.objects.exclude(among("pk", some))) == set(points[2:])
    assert set(Point.objects.filter(among("pk", some) | among("pod", pods))) == set(points[:3])


def test_of_nothing_nothing(world: World) -> None:
    world.points(2)
    assert not Point.objects.filter(among("pk", [])).exists()
    assert not Point.objects.filter(among("pod", set())).exists()
    assert Series.objects.filter(among("point", [])).count() == 0


def test_a_list_of_any_length_is_one_query(world: World) -> None:
    points = world.points(3)
    many = [one.pk for one in points] + list(range(10**6, 10**6 + MORE_THAN_A_QUERY_TAKES))
    with CaptureQueriesContext(connection) as queries:
        assert set(Point.objects.filter(among("pk", many))) == set(points)
    assert len(queries) == 1


def test_what_looks_like_sql_or_json_is_a_text(world: World) -> None:
    point, *_ = world.points(1)
    odd = {point.pod, 'x"] or 1=1 --', "'; drop table x; --", "ä€😀", "%s", "{a,b}"}
    assert set(keys_by_pod(odd)) == {point.pod}
