from django.apps import AppConfig


class AgreementsConfig(AppConfig):
    name = "meterhall.marketplace.agreements"
    label = "mp_agreements"
