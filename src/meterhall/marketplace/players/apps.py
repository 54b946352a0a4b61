from django.apps import AppConfig


class PlayersConfig(AppConfig):
    name = "meterhall.marketplace.players"
    label = "mp_players"
