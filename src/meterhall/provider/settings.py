"""Django settings of the provider, from the home named by METERHALL_HOME."""

from meterhall.provider.apps import APPS
from meterhall.web.settings import django_settings, home_from_environment

globals().update(django_settings(home_from_environment(), APPS, "meterhall.provider"))
