"""What each API operation means; one file per resource family, one coroutine per operation."""
