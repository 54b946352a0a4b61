from django.apps import AppConfig


class MembershipConfig(AppConfig):
    name = "meterhall.web.membership"
    label = "web_membership"
