from django.apps import AppConfig


class OauthConfig(AppConfig):
    name = "meterhall.web.oauth"
    label = "web_oauth"
