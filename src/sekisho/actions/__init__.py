"""Where rules send things; one protocol, one file each."""
