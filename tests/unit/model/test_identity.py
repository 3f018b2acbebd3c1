"""UUIDv7 against RFC 9562's own example, and human codes."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from fleetctl.model.identity import CodeKind, human_code, uuid7


def test_the_example_of_the_rfc() -> None:
    """RFC 9562 appendix A.6: 2022-02-22 19:22:22.00 GMT, rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F."""
    bits = 0xCC3 << 62 | 0x18C4DC0C0C07398F
    assert uuid7(0x017F22E279B0, bits) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**74 - 1))
def test_always_a_version_7_uuid(wall_ms: int, bits: int) -> None:
    made = uuid.UUID(uuid7(wall_ms, bits))
    assert (made.version, made.variant, made.int >> 80) == (7, uuid.RFC_4122, wall_ms)


def test_codes_sort_as_they_count() -> None:
    assert human_code(CodeKind.JOB, 1042) == "J-1042"
    assert human_code(CodeKind.PART, 311) == "P-00311"
