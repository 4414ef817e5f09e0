"""What goes wrong without a word: silent sources, blind jails; and how the administrator hears of it."""
