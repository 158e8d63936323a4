"""Tests mirror lb/; their names are sentences. Helpers: scripted, plays, faults, clients."""
