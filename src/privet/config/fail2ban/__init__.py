"""Configuration of fail2ban: read as fail2ban reads it, then mapped to what Privet does."""
