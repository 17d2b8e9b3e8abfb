"""The page's views, one file each: a file that is put here is a tab. Names that begin with _ are no views."""
