from django.apps import AppConfig


class ActivationsConfig(AppConfig):
    name = "meterhall.provider.activations"
    label = "provider_activations"
