"""Networks and methods side by side: what they reach, what they do to pictures, what they cost, what came of what."""
