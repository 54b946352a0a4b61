"""Integration certification: a conformance run against a provider's endpoints, apart, with sandbox PODs."""
