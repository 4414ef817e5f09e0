"""Aggregates over rows: who leeches, what was hit, how often what happened."""
