"""Rows that were set aside are counted from 1, as people count."""

from django.db import migrations
from django.db.models import F


def from_one(apps, schema_editor):
    apps.get_model("provider_metering", "QuarantinedRow").objects.update(row=F("row") + 1)


def from_zero(apps, schema_editor):
    apps.get_model("provider_metering", "QuarantinedRow").objects.update(row=F("row") - 1)


class Migration(migrations.Migration):
    dependencies = [("provider_metering", "0007_estimations")]
    operations = [migrations.RunPython(from_one, from_zero)]
