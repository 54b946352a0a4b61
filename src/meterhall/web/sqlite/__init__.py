"""Django's SQLite backend, its connections kept: see `base`, where the framework looks for it."""
