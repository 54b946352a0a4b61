"""Django settings of the requester, from the home named by METERHALL_HOME."""

from meterhall.requester.apps import APPS
from meterhall.web.settings import django_settings, home_from_environment

globals().update(django_settings(home_from_environment(), APPS, "meterhall.requester"))
