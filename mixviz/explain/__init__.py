"""Explain a mixture: its steps, label terms, draws, edits and JSON form."""
