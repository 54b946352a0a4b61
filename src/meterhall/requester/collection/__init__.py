"""Collecting deliveries: pulled or pushed, verified, stored, receipted."""
