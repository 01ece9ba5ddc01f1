"""What all tests share."""

import pytest
from hypothesis import settings

settings.register_profile("shared-cores", deadline=None, max_examples=60)
settings.load_profile("shared-cores")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Last: tests that start autograd's device threads (fake CUDA, torch.compile).

    A process that has them can't train in a fork, as tests of several processes do.
    """
    threaded = ("test_devices.py", "test_unet_call.py")
    items.sort(key=lambda item: item.path.name in threaded)
