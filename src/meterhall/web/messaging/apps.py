from django.apps import AppConfig


class MessagingConfig(AppConfig):
    name = "meterhall.web.messaging"
    label = "web_messaging"
