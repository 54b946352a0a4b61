"""Staff keys: how the platform's own organisation's machines call its back-office API."""
