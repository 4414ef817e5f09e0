"""Everything that decides: pure functions and data, no clock, no files, no sockets."""
