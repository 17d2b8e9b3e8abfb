"""Explain a mixture: its steps, label terms, repeated draws, edits and JSON form."""
