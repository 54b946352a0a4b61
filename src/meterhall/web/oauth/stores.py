"""The stores of the kit (`authserver.stores`) on Django's models."""

from __future__ import annotations

import re
from datetime import datetime

from django.db import connection
from django.db.models import Q

from meterhall.authserver import stores
from meterhall.web.oauth.models import Client, Code, PushedRequest, ReplayMark
from meterhall.web.platform import platform

CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,12}")


class Clients:
    """The clients that may have tokens now."""

    def find(self, client_id: str) -> stores.ClientRecord | None:
        if not CLIENT_ID.fullmatch(client_id):
            return None
        alive = Q(valid_until=None) | Q(valid_until__gt=platform().now())
        row = Client.objects.filter(alive, client_id=client_id, suspended_at=None).first()
        if row is None:
            return None
        return stores.ClientRecord(row.client_id, tuple(row.keys), tuple(row.scopes), tuple(row.redirect_uris))


class Replays:
    """Marks of what was used: one insert, which only the first of all processes makes."""

    SQL = f"INSERT INTO {ReplayMark._meta.db_table} (mark, until_s) VALUES (%s, %s) ON CONFLICT DO NOTHING"  # noqa: S608

    def first_time(self, mark: str, until: datetime) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(self.SQL, [mark, int(until.timestamp()) + 1])
            return bool(cursor.rowcount == 1)


class Requests:
    """Pushed requests."""

    def keep(self, request: stores.PushedRequest) -> None:
        PushedRequest.objects.create(
            request_uri=request.request_uri,
            client_id=request.client_id,
            redirect_uri=request.redirect_uri,
            state=request.state,
            scope=request.scope,
            code_challenge=request.code_challenge,
            dpop_jkt=request.dpop_jkt,
            details=list(request.details),
            expires_at=request.expires_at,
        )


class Codes:
    """Authorization codes."""

    def find(self, digest: str) -> stores.CodeRecord | None:
        row = Code.objects.filter(digest=digest).first()
        if row is None:
            return None
        return stores.CodeRecord(
            digest=row.digest,
            client_id=row.client_id,
            redirect_uri=row.redirect_uri,
            scope=row.scope,
            code_challenge=row.code_challenge,
            dpop_jkt=row.dpop_jkt,
            grant_id=row.grant_id,
            details=tuple(row.details),
            expires_at=row.expires_at,
            used=row.used_at is not None,
        )

    def use(self, digest: str) -> bool:
        return bool(Code.objects.filter(digest=digest, used_at=None).update(used_at=platform().now()))
