from django.apps import AppConfig


class AnalysisConfig(AppConfig):
    name = "meterhall.requester.analysis"
    label = "requester_analysis"
