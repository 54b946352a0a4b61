from django.apps import AppConfig


class CertificationConfig(AppConfig):
    name = "meterhall.marketplace.certification"
    label = "mp_certification"
