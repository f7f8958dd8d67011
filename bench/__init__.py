"""Measures compiled layers: see README.md beside this file."""
