from django.apps import AppConfig


class WorkConfig(AppConfig):
    name = "meterhall.web.work"
    label = "web_work"
