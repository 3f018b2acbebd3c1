"""The contract a hardware developer implements (`api`), and the streamer that joins an engine to a link."""
