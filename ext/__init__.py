"""Compiled hot paths; reached only through `fleetctl.gcode` and `fleetctl.protocol`."""
