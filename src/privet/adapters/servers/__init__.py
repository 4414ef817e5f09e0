"""The web servers' own configuration: where each of them writes what it knows of its visitors."""
