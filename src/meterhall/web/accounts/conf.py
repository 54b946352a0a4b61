"""The part of the Django settings that people's accounts need."""

from __future__ import annotations

SIGN_IN_PATH = "/account/sign-in"
ATTEMPTS = "60/m/ip,5/300s/key"
"""Wrong passwords or codes allowed: per address, and per person."""


def account_settings() -> dict[str, object]:
    """Settings merged into every platform's, after the pages' own."""
    return {
        "INSTALLED_APPS": ["meterhall.web.accounts", "allauth", "allauth.account", "allauth.mfa"],
        "MIDDLEWARE": ["allauth.account.middleware.AccountMiddleware"],
        "AUTH_USER_MODEL": "web_accounts.Person",
        "AUTHENTICATION_BACKENDS": ["django.contrib.auth.backends.ModelBackend"],
        "AUTH_PASSWORD_VALIDATORS": [
            {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
            {
                "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
                "OPTIONS": {"min_length": 12},
            },
            {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
        ],
        "LOGIN_URL": SIGN_IN_PATH,
        "LOGIN_REDIRECT_URL": "/",
        "SESSION_ENGINE": "django.contrib.sessions.backends.db",
        "SESSION_COOKIE_AGE": 8 * 3600,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "CSRF_COOKIE_HTTPONLY": True,
        "MESSAGE_STORAGE": "django.contrib.messages.storage.session.SessionStorage",
        # Counters of wrong attempts are shared by all processes; evicting them would forget them.
        "CACHES": {
            "default": {
                "BACKEND": "django.core.cache.backends.db.DatabaseCache",
                "LOCATION": "web_cache",
                "OPTIONS": {"MAX_ENTRIES": 200_000},
            }
        },
        "ACCOUNT_USER_MODEL_USERNAME_FIELD": None,
        "ACCOUNT_LOGIN_METHODS": {"email"},
        "ACCOUNT_SIGNUP_FIELDS": ["email*", "password1*"],
        "ACCOUNT_EMAIL_VERIFICATION": "none",
        "ACCOUNT_RATE_LIMITS": {"login_failed": ATTEMPTS},
        "MFA_ADAPTER": "meterhall.web.accounts.adapter.SealedFactors",
        "MFA_SUPPORTED_TYPES": ["totp", "webauthn", "recovery_codes"],
        "MFA_PASSKEY_LOGIN_ENABLED": True,
        "MFA_WEBAUTHN_USER_VERIFICATION": "required",
        "MFA_RECOVERY_CODES_SHOW_ONCE": True,
        "MFA_TOTP_TOLERANCE": 1,
    }
