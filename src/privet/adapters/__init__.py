"""One outside thing each; no adapter knows another."""
