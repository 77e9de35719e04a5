"""Bytes, digests and rows; never loses one.

What is promised when a call returns:

- ``durable``: the bytes and the name of what was written are on the disk (file and folder are fsynced);
- ``catalog``: the move is committed with ``synchronous=FULL``; a crash one instruction later still finds it;
- ``vault``: for every photo that it was given, the original or a proven archive exists, before, during and after each call.

What is not promised: that a disk which lies about fsync keeps its word, and that a late writer who keeps a descriptor open for
longer than the grace lasts is noticed on a file system without leases.

Nothing is imported here, so that ``gallery-optimizer status`` pays only for what it uses.
"""
