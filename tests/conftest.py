"""What all tests share."""

from hypothesis import settings

settings.register_profile("shared-cores", deadline=None, max_examples=60)
settings.load_profile("shared-cores")
