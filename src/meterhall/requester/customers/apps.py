from django.apps import AppConfig


class CustomersConfig(AppConfig):
    name = "meterhall.requester.customers"
    label = "requester_customers"
