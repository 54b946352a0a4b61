from django.apps import AppConfig


class LocalisationConfig(AppConfig):
    name = "meterhall.marketplace.localisation"
    label = "mp_localisation"
