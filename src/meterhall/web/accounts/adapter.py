"""How allauth's second factors are kept and named here: seeds sealed by the home's key, the portal as the site."""

from __future__ import annotations

from urllib.parse import urlsplit

from allauth.mfa.adapter import DefaultMFAAdapter
from django.contrib.auth.base_user import AbstractBaseUser

from meterhall.web.accounts.models import Person
from meterhall.web.platform import platform


class SealedFactors(DefaultMFAAdapter):
    """Seeds of TOTP and of recovery codes leave memory only sealed."""

    def encrypt(self, text: str) -> str:
        return platform().seal(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """The seed again. Raises `BadSecret`."""
        return platform().unseal(encrypted_text.encode()).decode()

    def get_totp_issuer(self) -> str:
        return platform().config.name

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {"id": urlsplit(platform().portal_url).hostname or "localhost", "name": platform().config.name}

    def get_public_key_credential_user_entity(self, user: AbstractBaseUser) -> dict[str, object]:
        entity: dict[str, object] = super().get_public_key_credential_user_entity(user)
        return entity | {"display_name": user.name if isinstance(user, Person) else ""}
