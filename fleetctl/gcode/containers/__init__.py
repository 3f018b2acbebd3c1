"""Programs that come wrapped: gzip, zip with plates, binary G-code. Out comes the plain text."""

from fleetctl.gcode.containers.budget import PLAIN_MOST_BYTES, RATIO_MOST
from fleetctl.gcode.containers.unpacked import Picture, UnpackedProgram
from fleetctl.gcode.containers.unpacking import kind_of, unpack

__all__ = ["PLAIN_MOST_BYTES", "RATIO_MOST", "Picture", "UnpackedProgram", "kind_of", "unpack"]
