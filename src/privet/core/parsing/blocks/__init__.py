"""Large blocks of a log, taken as arrays: where lines, clients and texts in quotes are, found with numpy."""
