from django.apps import AppConfig


class PointsConfig(AppConfig):
    name = "meterhall.provider.points"
    label = "provider_points"
