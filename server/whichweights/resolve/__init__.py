"""Turns what a caller writes into what planning computes with, by asking providers in order."""
