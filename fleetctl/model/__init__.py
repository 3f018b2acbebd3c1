"""Facts and transition tables of the factory; pure: no clock, no file, no socket, no randomness."""
