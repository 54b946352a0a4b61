from django.apps import AppConfig


class ConsentsConfig(AppConfig):
    name = "meterhall.provider.consents"
    label = "provider_consents"

    def ready(self) -> None:
        from meterhall.provider.consents.service import check_needs
        from meterhall.web.oauth.service import on_details

        on_details(check_needs)
