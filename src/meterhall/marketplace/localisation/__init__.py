"""Localisation: which provider holds a point of delivery. Nothing of a question is stored or logged."""
