"""People and the links that let them in once. Their second factors are allauth's `Authenticator` rows, seeds sealed."""

from __future__ import annotations

import uuid
from typing import ClassVar, Literal, get_args

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils.translation import gettext_lazy as _

RoleName = Literal["operator", "staff", "signer", "auditor", "customer"]
ROLES: tuple[RoleName, ...] = get_args(RoleName)
ROLE_NAMES = {
    "operator": _("operator"),
    "staff": _("staff"),
    "signer": _("signer"),
    "auditor": _("auditor"),
    "customer": _("customer"),
}


class People(BaseUserManager["Person"]):
    """People by their address, whatever its case."""

    def get_by_natural_key(self, username: str | None) -> Person:
        return self.get(email=(username or "").lower())


class Person(AbstractBaseUser):
    """Somebody who may sign in. The id is also the passkeys' user handle: random, no two platforms share one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120)
    roles = models.JSONField(default=list)
    holder_reference = models.CharField(max_length=80, default="", blank=True, db_index=True)
    language = models.CharField(max_length=8, default="", blank=True)
    is_active = models.BooleanField(default=True)

    objects: ClassVar[People] = People()
    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        """The id: what is printed may be logged, and logs hold no names."""
        return f"person {self.pk}"

    @property
    def role_names(self) -> list[str]:
        """The roles as words for people."""
        return [str(ROLE_NAMES[role]) for role in self.roles]

    def has_role(self, *roles: str) -> bool:
        """Whether the person has at least one of `roles`."""
        return not set(roles).isdisjoint(self.roles)


class OneTimeLink(models.Model):
    """A link that stands for a password once. Only the SHA-256 of its token is kept."""

    PURPOSES: ClassVar = [("join", "join"), ("sign_in", "sign in")]

    digest = models.CharField(max_length=64, unique=True)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="links")
    purpose = models.CharField(max_length=10, choices=PURPOSES)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"link {self.pk} of {self.person_id}"
