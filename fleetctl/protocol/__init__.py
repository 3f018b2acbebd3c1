"""Sans-I/O link parts: line splitting, numbering, windows, the feeder and the engine contract; pure."""
