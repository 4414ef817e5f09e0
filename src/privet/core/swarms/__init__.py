"""Many clients with one aim, none of which does enough to be noticed alone."""
