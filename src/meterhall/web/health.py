"""Is the process alive, is it ready, and its figures: for supervisors and Prometheus."""

from __future__ import annotations

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from meterhall.web import machine as machine
from meterhall.web.metrics import discover, scrape


def waiting_migrations() -> bool:
    """Whether the database's schema is behind this version's."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when the database answers and its schema is current, else 503 with the reason."""
    try:
        waiting = waiting_migrations()
    except Exception:
        return JsonResponse({"status": "unavailable", "reason": "the database does not answer"}, status=503)
    if waiting:
        return JsonResponse({"status": "unavailable", "reason": "migrations are waiting"}, status=503)
    return JsonResponse({"status": "ok"})


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus figures; to this machine only."""
    if request.META.get("REMOTE_ADDR") not in {"127.0.0.1", "::1"}:
        return HttpResponse(status=403)
    return HttpResponse(scrape(), content_type=CONTENT_TYPE_LATEST)


def health_urls() -> list[URLPattern]:
    """The three addresses, the same on both listeners."""
    discover()
    return [path("health/live", live), path("health/ready", ready), path("metrics", metrics)]
