"""Episode logs: the format, its writer and reader, repair and export. Start at `writer` and `reader`."""
