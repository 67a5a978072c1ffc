"""Embedded knowledge: dated tables and the providers that serve them."""
