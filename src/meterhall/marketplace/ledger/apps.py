from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "meterhall.marketplace.ledger"
    label = "mp_ledger"

    def ready(self) -> None:
        from meterhall.marketplace.ledger.service import keep_own
        from meterhall.marketplace.ledger.tree import log_key
        from meterhall.web.membership.hooks import publish_log_key
        from meterhall.web.messaging.service import keep_statements_with

        keep_statements_with(keep_own)
        publish_log_key(lambda: str(log_key()))
