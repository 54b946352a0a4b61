"""The catalogue: offers and their versions, search, wishes, and the list of providers."""
