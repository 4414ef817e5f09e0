"""The configuration: its model, its loader, and the engine that is built from it."""
