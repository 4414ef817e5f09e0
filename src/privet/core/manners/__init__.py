"""Manners: what robots, feed readers and other programs do that is rude, though none of it is much."""
