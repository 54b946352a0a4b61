from django.apps import AppConfig


class MeteringConfig(AppConfig):
    name = "meterhall.provider.metering"
    label = "provider_metering"
