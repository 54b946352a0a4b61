"""Django settings of a platform, built from its home. The three projects differ in their apps and URLs only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from meterhall.web.home import Home

SHARED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "meterhall.web.oauth",
    "meterhall.web.messaging",
    "meterhall.web.work",
    "meterhall.web.staff",
]


def home_from_environment() -> Home:
    """The home named by METERHALL_HOME."""
    return Home(Path(os.environ["METERHALL_HOME"]))


def django_settings(home: Home, apps: list[str], urls: str) -> dict[str, Any]:
    """The settings of the platform in `home` with its own `apps`; `urls` is its package, which has `urls_b2b` and
    `urls_portal`."""
    from meterhall.web.platform import Platform

    config = home.config
    result: dict[str, Any] = {
        "METERHALL": Platform(home),
        "SECRET_KEY": home.derived_key("django").hex(),
        "DEBUG": False,
        "ALLOWED_HOSTS": _hosts(config.base_url, config.portal_base_url),
        "INSTALLED_APPS": SHARED_APPS + apps,
        "DATABASES": {"default": database(config.database_url, home.path / "db.sqlite3")},
        "ROOT_URLCONF": f"{urls}.urls_portal",
        "METERHALL_URLS": {"b2b": f"{urls}.urls_b2b", "portal": f"{urls}.urls_portal"},
        "MIDDLEWARE": [
            "meterhall.web.middleware.CorrelationMiddleware",
            "meterhall.web.middleware.ListenerMiddleware",
            "meterhall.web.middleware.MeasureMiddleware",
        ],
        "TEMPLATES": [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "USE_TZ": True,
        "TIME_ZONE": "UTC",
        "LANGUAGE_CODE": config.language,
        "LANGUAGES": [("en", "English"), ("fr", "Français"), ("de", "Deutsch"), ("it", "Italiano"), ("es", "Español")],
        "STATIC_URL": "/static/",
        "SESSION_COOKIE_NAME": f"mh_{config.role}_{config.portal_port}_session",
        "CSRF_COOKIE_NAME": f"mh_{config.role}_{config.portal_port}_csrf",
        "LANGUAGE_COOKIE_NAME": f"mh_{config.role}_{config.portal_port}_lang",
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SESSION_COOKIE_HTTPONLY": True,
        "SECURE_CONTENT_TYPE_NOSNIFF": True,
        "SECURE_REFERRER_POLICY": "same-origin",
        "X_FRAME_OPTIONS": "DENY",
        "LOGGING_CONFIG": None,
        "DATA_UPLOAD_MAX_MEMORY_SIZE": 16 * 1024 * 1024,
    }
    for piece in _pieces():
        _merge(result, piece)
    return result


def _pieces() -> list[dict[str, object]]:
    """What pages and people add; the pages' middleware (session, sign-in) comes before what stands on it."""
    from meterhall.web.accounts.conf import account_settings
    from meterhall.web.portal.conf import portal_settings

    return [portal_settings(), account_settings()]


def _merge(into: dict[str, Any], piece: dict[str, object]) -> None:
    """Lists are appended (what is there already stays once), the rest is set."""
    for key, value in piece.items():
        if isinstance(value, list) and isinstance(into.get(key), list) and key != "TEMPLATES":
            into[key] = into[key] + [item for item in value if item not in into[key]]
        else:
            into[key] = value


def _hosts(*urls: str) -> list[str]:
    return sorted({urlsplit(url).hostname or "localhost" for url in urls} | {"localhost", "127.0.0.1"})


def database(url: str, sqlite: Path) -> dict[str, Any]:
    """Django's database entry: PostgreSQL by URL, else SQLite with a writer's lock taken at the start (WAL).

    A file that is not there is an error, never an empty database: see `django_ready`.
    """
    if not url:
        return {
            "ENGINE": "meterhall.web.sqlite",
            "NAME": f"{sqlite.absolute().as_uri()}?mode=rw",
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=20000;",
            },
        }
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": dict(parse_qsl(parts.query)).get("host", parts.hostname or ""),
        "PORT": str(parts.port or ""),
    }
