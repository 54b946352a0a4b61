"""Activations: lists of PODs under a subscription, each answered with what may be had, or why not."""
