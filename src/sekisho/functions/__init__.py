"""Functions, what Lambda is to AWS IoT: users' code behind one method, in processes or behind an endpoint."""
