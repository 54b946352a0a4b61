"""Pending work as leased rows of the domain's own tables, and the worker that does it. No job library, no broker."""
