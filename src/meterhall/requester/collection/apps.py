from django.apps import AppConfig


class CollectionConfig(AppConfig):
    name = "meterhall.requester.collection"
    label = "requester_collection"
