"""Both listeners of a requester under one root."""

from meterhall.requester.urls_b2b import urlpatterns as b2b
from meterhall.requester.urls_portal import urlpatterns as portal

urlpatterns = [*portal, *b2b]
