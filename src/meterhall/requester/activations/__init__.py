"""Activations at providers: what we asked for each POD, with which proof, and what was answered."""
