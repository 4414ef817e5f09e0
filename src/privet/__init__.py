"""Protect small servers from abuse while no client address reaches the disk."""

__version__ = "0.1.0"
