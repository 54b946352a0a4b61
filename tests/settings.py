"""Django settings of the test suite: the apps of all three platforms in one database, SQLite or PostgreSQL."""

import atexit
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from meterhall.web.home import Home, create_ca
from meterhall.web.settings import django_settings

_folder = Path(tempfile.mkdtemp(prefix="meterhall-tests-"))
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
create_ca(_folder / "ca")
_home = Home.create(
    _folder / "home",
    {"role": "provider", "name": "Test", "database_url": os.environ.get("METERHALL_TEST_DATABASE_URL", "")},
    _folder / "ca",
)

APPS = [
    f"meterhall.{place}"
    for place in (
        "web.membership",
        "marketplace.players", "marketplace.catalogue", "marketplace.certification", "marketplace.localisation",
        "marketplace.agreements", "marketplace.ledger",
        "provider.offers", "provider.contracts", "provider.points", "provider.consents", "provider.activations",
        "provider.metering", "provider.deliveries",
        "requester.partners", "requester.customers", "requester.activations", "requester.collection",
        "requester.analysis",
    )
    if importlib.util.find_spec(f"meterhall.{place}")
]  # fmt: skip

globals().update(django_settings(_home, APPS, "meterhall.provider"))
_database = globals()["DATABASES"]["default"]
if _database["ENGINE"] == "meterhall.web.sqlite":
    # In memory it is Django's own, and by that name the test runner knows that each process has one of its own.
    _database["ENGINE"] = "django.db.backends.sqlite3"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
globals()["MIDDLEWARE"].append("tests.openapi.CheckAnswers")
