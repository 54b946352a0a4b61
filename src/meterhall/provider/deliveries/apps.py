from django.apps import AppConfig


class DeliveriesConfig(AppConfig):
    name = "meterhall.provider.deliveries"
    label = "provider_deliveries"
