"""Integration certification: a conformance run against a provider's endpoints, with sandbox PODs, in its own process."""
