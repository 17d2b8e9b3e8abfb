"""The page's views: each file here is a tab, except files whose names begin with an underscore."""
