"""One use case each that needs no daemon."""
