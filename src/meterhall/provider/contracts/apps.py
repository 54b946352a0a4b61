from django.apps import AppConfig


class ContractsConfig(AppConfig):
    name = "meterhall.provider.contracts"
    label = "provider_contracts"
