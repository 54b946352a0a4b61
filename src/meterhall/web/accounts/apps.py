from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "meterhall.web.accounts"
    label = "web_accounts"
