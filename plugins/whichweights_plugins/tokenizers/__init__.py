"""Tokenizers that run on this machine, offline."""
