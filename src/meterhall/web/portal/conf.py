"""The part of the Django settings that pages need."""

from __future__ import annotations

from pathlib import Path

LOCALE = Path(__file__).parents[2] / "locale"


def portal_settings() -> dict[str, object]:
    """Settings merged into every platform's; they come before the accounts', whose middleware stands on these."""
    return {
        "INSTALLED_APPS": ["django.forms", "django_htmx", "meterhall.web.portal"],
        "MIDDLEWARE": [
            "meterhall.web.portal.middleware.ContentSecurityMiddleware",
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.locale.LocaleMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
            "django_htmx.middleware.HtmxMiddleware",
            "meterhall.web.portal.middleware.ZoneMiddleware",
            "meterhall.web.portal.middleware.ErrorPageMiddleware",
        ],
        "TEMPLATES": [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.template.context_processors.i18n",
                        "django.template.context_processors.tz",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                        "meterhall.web.portal.context.portal",
                    ]
                },
            }
        ],
        "STORAGES": {
            "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
            "staticfiles": {"BACKEND": "meterhall.web.portal.static.HashedStaticStorage"},
        },
        "FORM_RENDERER": "meterhall.web.portal.forms.PortalRenderer",
        "CSRF_FAILURE_VIEW": "meterhall.web.portal.views.csrf_failure",
        "LOCALE_PATHS": [str(LOCALE)],
        "FORMAT_MODULE_PATH": ["meterhall.web.portal.formats"],
        "LANGUAGE_COOKIE_SECURE": True,
        "LANGUAGE_COOKIE_SAMESITE": "Lax",
    }
