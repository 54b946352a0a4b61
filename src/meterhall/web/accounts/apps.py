from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "meterhall.web.accounts"
    label = "web_accounts"

    def ready(self) -> None:
        """What a person may do follows from roles: Django's permission rows, four a model, are not made."""
        post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
