"""fleetctl: one dependable small-batch factory out of a room of 3D printers and CNC machines."""

__version__ = "0.1.0"
