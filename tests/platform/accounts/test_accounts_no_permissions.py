"""Rights follow from roles: no second, unused set of them stands in the database."""

import pytest
from django.contrib.auth.models import Permission


@pytest.mark.django_db
def test_there_are_no_permission_rows() -> None:
    assert not Permission.objects.exists()
