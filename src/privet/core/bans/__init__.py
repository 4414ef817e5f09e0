"""From a verdict to the kernel and back: what was ordered, what holds, for how long, and who is remembered."""
