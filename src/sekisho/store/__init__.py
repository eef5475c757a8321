"""One SQL text, two drivers (SQLite, PostgreSQL), migrations, and the few tables' verbs."""
