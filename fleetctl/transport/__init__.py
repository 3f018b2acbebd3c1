"""Moves bytes to and from machines and peers; gives them no meaning."""
