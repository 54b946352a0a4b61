"""`make pictures`: photograph every page of the three portals, and every component, for the documentation."""
