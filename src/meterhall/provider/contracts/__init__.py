"""Contracts in force: subscriptions the Market Place countersigned, and the OAuth clients they open."""
