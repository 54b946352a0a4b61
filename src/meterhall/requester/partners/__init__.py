"""Whom we buy from: offers found, wishes kept, subscriptions signed."""
