"""Codecs: each file has the same public names, `Config`, `encode` and `decode`."""
