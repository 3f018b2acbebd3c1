"""For tests only, and shipped to plug-in authors: virtual clock, faults, conformance, simulation."""
