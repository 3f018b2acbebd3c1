"""Whole messages over a byte stream: four bytes of length, most significant first, then that many bytes.

Sans-I/O. Used between controller and agent; must not know what a message says.
"""

from __future__ import annotations

from fleetctl.errors import OurProtocolError, TheirProtocolError

LENGTH_BYTES = 4
MAX_MESSAGE_BYTES = 16 * 1024 * 1024


class FrameTooLong(OurProtocolError):
    """The message is longer than a frame may be."""

    code = "frame-too-long"


class PeerFrameTooLong(TheirProtocolError):
    """The other side announced a message longer than a frame may be."""

    code = "peer-frame-too-long"


def frame(message: bytes) -> bytes:
    """`message` with its length in front. Raises FrameTooLong over 16 MiB."""
    if len(message) > MAX_MESSAGE_BYTES:
        raise FrameTooLong(f"A message of {len(message)} bytes; a frame holds at most {MAX_MESSAGE_BYTES}.")
    return len(message).to_bytes(LENGTH_BYTES, "big") + message


class FrameReader:
    """Bytes in any pieces in, whole messages out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes, oldest first; an empty message is one.

        Raises PeerFrameTooLong for a length over 16 MiB, at the next call if messages stand before it; the
        stream cannot be read on after that.
        """
        self._buffer += data
        messages: list[bytes] = []
        at = 0
        while len(self._buffer) - at >= LENGTH_BYTES:
            length = int.from_bytes(self._buffer[at : at + LENGTH_BYTES], "big")
            if length > MAX_MESSAGE_BYTES and messages:
                break
            if length > MAX_MESSAGE_BYTES:
                raise PeerFrameTooLong(
                    f"The other side announced {length} bytes; a frame holds at most {MAX_MESSAGE_BYTES}."
                )
            end = at + LENGTH_BYTES + length
            if len(self._buffer) < end:
                break
            messages.append(bytes(self._buffer[at + LENGTH_BYTES : end]))
            at = end
        del self._buffer[:at]
        return messages

    @property
    def pending_bytes(self) -> int:
        """Bytes of a message that has begun: not 0 at the end of a stream means that it was cut off."""
        return len(self._buffer)
