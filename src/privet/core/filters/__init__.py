"""Filters in fail2ban's language: from the text of a log to who failed when."""
