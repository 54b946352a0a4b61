"""The transparency log: RFC 6962 trees, C2SP tiles, notes and checkpoints, and proof files checked offline.

Pure: where hashes, keys and clocks come from is the caller's. What it holds: `marketplace.ledger`.
"""
