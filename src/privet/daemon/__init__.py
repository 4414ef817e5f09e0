"""The long-running process: wiring, reload, control socket, signals."""
