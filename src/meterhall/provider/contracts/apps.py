from django.apps import AppConfig


class ContractsConfig(AppConfig):
    name = "meterhall.provider.contracts"
    label = "provider_contracts"

    def ready(self) -> None:
        """A requester that shows the Market Place's attestation with its token request is taken in."""
        from meterhall.provider.contracts.service import refresh_from_attestation
        from meterhall.web.oauth.service import on_attestation

        on_attestation(refresh_from_attestation)
