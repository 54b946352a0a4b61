from django.apps import AppConfig


class ConsentsConfig(AppConfig):
    name = "meterhall.provider.consents"
    label = "provider_consents"
