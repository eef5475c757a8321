"""Who is connected, as whom, what they asked for, and getting it to them."""
