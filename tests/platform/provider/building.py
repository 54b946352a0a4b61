"""What tests of building do to an activation: ask for its curves, withdraw a consent of it."""

from __future__ import annotations

from meterhall.domain.protocol.deliveries import DataRequest
from meterhall.provider.activations.models import Activation
from meterhall.provider.consents.service import revoke
from meterhall.provider.deliveries.models import Delivery
from meterhall.provider.deliveries.service import request_data
from tests.platform.provider.conftest import HOLDER, MARCH


def asked(activation: Activation) -> Delivery:
    """A month by the hour, asked for and not yet built."""
    wanted = DataRequest(activation_id=activation.pk, period=MARCH, granularity="PT1H", format="csv")
    return Delivery.objects.get(pk=request_data(wanted, activation.requester).delivery_id)


def withdraw(activation: Activation, position: int) -> None:
    """The holder of the POD at this place of the list withdraws."""
    item = activation.items.get(position=position)
    assert item.consent_item is not None
    revoke(item.consent_item.consent_id, HOLDER)
