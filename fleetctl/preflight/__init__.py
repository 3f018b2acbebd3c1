"""Compares a program's facts with a machine as it is set up now; pure, and fast because it reads no file."""
