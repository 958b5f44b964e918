"""Losses as tested functions, one idea each, per sample by default."""
