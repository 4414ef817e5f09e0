"""Addresses, the networks that they lie in, and by what either is known again."""
