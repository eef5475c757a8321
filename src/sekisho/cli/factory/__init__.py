"""``sekisho factory``: identities in bulk, handed over encrypted.

A run is a folder: the journal of what is done, and the hand-over files. A private key that is made here is in
this process's memory until it is encrypted for its recipient, and nowhere else.
"""
