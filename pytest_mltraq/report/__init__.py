"""Records and verdicts, as people read them."""
