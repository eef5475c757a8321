"""Big files by bucket and key: in a directory of the node, or at any S3-compatible endpoint."""
