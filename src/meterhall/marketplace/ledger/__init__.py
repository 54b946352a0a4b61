"""The ledger: statements of all players in a transparency log, and whether both sides' statements agree."""
