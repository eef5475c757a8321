"""A botocore service model read from the server's side: match, parse, validate, serialize, SigV4; no I/O."""
