"""Jobs, machines and the time in; assignments and reasons out. Pure: the same input gives the same answer."""
