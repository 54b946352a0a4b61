"""Consents: given on the provider's page or shown by evidence; checked before every byte; withdrawn at once."""
