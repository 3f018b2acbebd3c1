"""One file per schema change, in the order of their `down_revision`. A released one is never edited."""
