from django.apps import AppConfig


class OffersConfig(AppConfig):
    name = "meterhall.provider.offers"
    label = "provider_offers"
