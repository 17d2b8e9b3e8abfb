"""User files: read pictures and true boxes from folders and zips; write tables and zips."""
