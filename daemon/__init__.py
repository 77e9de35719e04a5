"""The service: decides what happens to a photo, and has `codec` and `storage` do it."""
