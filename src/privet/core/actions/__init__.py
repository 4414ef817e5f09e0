"""Actions that are programs, and how their commands are run without a shell reading what an attacker wrote."""
