"""The CoDi baseline: what it asks for without weights."""

import pytest
from codixr_bench.registry import load_model

from codixr.errors import InputError


@pytest.mark.parametrize("spec", ["codi", "codi:nowhere"])
def test_without_weights_it_says_what_to_download_under_which_licence_and_how(spec: str) -> None:
    with pytest.raises(InputError) as caught:
        load_model(spec)
    message = str(caught.value)
    assert "https://huggingface.co/ZinengTang/CoDi" in message
    assert "MIT licence" in message
    assert "codixr convert CoDi_encoders.pth" in message
    assert "--model codi:" in message
    assert "\n" not in message
