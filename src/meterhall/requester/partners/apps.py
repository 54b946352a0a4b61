from django.apps import AppConfig


class PartnersConfig(AppConfig):
    name = "meterhall.requester.partners"
    label = "requester_partners"
