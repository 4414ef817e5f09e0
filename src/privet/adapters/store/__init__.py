"""Bans that outlast the daemon: sealed in SQLite, or in memory."""
