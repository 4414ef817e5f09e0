"""Addresses in texts: found however they are written, and something else put in their place."""
