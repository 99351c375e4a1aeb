"""Records: what was seen and concluded, as plain data with a schema version; loads no framework."""
