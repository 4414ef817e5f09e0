"""What is known of the rows of a block: found out once, for all detectors."""
