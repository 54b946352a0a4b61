"""Django settings of the Market Place, from the home named by METERHALL_HOME."""

from meterhall.marketplace.apps import APPS
from meterhall.web.settings import django_settings, home_from_environment

globals().update(django_settings(home_from_environment(), APPS, "meterhall.marketplace"))
