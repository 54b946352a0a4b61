from django.apps import AppConfig


class CatalogueConfig(AppConfig):
    name = "meterhall.marketplace.catalogue"
    label = "mp_catalogue"
