"""The ASGI app: the AWS endpoint, and health."""
