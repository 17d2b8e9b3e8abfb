"""Files of people: pictures of a folder or zip that come in, with their true boxes, and tables and zips that go out."""
