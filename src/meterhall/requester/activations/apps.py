from django.apps import AppConfig


class ActivationsConfig(AppConfig):
    name = "meterhall.requester.activations"
    label = "requester_activations"
