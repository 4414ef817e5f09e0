"""Where masked lines go."""
