"""From bytes to columns: how lines look, and what stands in them."""
