"""Where bans are enforced."""
