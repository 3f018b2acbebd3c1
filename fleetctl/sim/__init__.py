"""Pretend machines at run time: what stands in for hardware when there is none.

A simulated machine reads programs with its own code and never with the core under test, so that the two check
each other. Nothing in here may know a driver, an engine or a transport.
"""
