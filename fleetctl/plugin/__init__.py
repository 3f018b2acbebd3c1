"""Hooks: what a plug-in may contribute (`hookspecs`) and who loads them (`manager`)."""
