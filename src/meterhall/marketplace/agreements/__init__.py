"""Agreements: the general contract, standing acceptances, subscriptions and the signatures over them."""
