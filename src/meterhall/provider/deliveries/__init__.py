"""Deliveries: data requests, manifests and parts behind the gate, receipts, the change feed."""
