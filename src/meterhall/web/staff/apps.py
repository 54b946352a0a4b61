from django.apps import AppConfig


class StaffConfig(AppConfig):
    name = "meterhall.web.staff"
    label = "web_staff"
