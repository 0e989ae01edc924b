"""Errors carry facts, speak one sentence, and keep secrets."""

import pickle
from pathlib import Path

import pytest

from hostel.plugins.model_pull import _errors as errors

SAMPLES = [
    errors.NotFound("org/m/x.gguf"),
    errors.RepoNotFound("org/m"),
    errors.AccessDenied("org/m/x.gguf"),
    errors.Gated("org/m", "https://hub/org/m"),
    errors.InvalidQuantization("org/m", "Q9", "there is no 'Q9'", ("Q4_K_M (5.0 GiB)", "Q8_0")),
    errors.InvalidFormat("org/m", "onnx", "it is not there as onnx", ("gguf (5.0 GiB)",)),
    errors.UnsafePath("../x", "it leaves its folder"),
    errors.StorageFailed(Path("/models/x"), "read-only file system"),
    errors.NoSpace(Path("/models/x"), 5 << 30, 1 << 20),
    errors.IntegrityFailed("x.gguf", "aa", "bb"),
    errors.ContentChanged("x.gguf", "1 bytes", "2 bytes"),
    errors.BadResponse("https://hub/x", "it is a web page"),
    errors.TransferFailed("x.gguf", "status 503", 300.0),
]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_every_error_is_one_sentence_and_survives_pickling(error: errors.PullError) -> None:
    assert str(error) == error.message
    assert error.message.endswith(".")
    assert "\n" not in error.message
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_what_may_succeed_later_is_recoverable() -> None:
    recoverable = {type(error).__name__ for error in SAMPLES if error.recoverable}

    assert recoverable == {"StorageFailed", "NoSpace", "ContentChanged", "TransferFailed"}


def test_no_space_tells_both_numbers() -> None:
    text = str(errors.NoSpace(Path("/models"), 5 << 30, 3 << 20))

    assert "5.0 GiB" in text
    assert "3.0 MiB" in text


def test_an_unoffered_quantization_is_answered_with_what_is_offered_and_its_sizes() -> None:
    text = str(errors.InvalidQuantization("org/m", "Q9", "there is no 'Q9'", ("Q4_K_M (5.0 GiB)", "Q8_0")))

    assert "Q9" in text
    assert "Q4_K_M (5.0 GiB), Q8_0" in text


def test_a_url_is_shown_without_user_query_and_fragment() -> None:
    error = errors.BadResponse("https://user:secret@hub:8443/m/x?Signature=secret#secret", "it is odd")

    assert error.url == "https://hub:8443/m/x"
    assert "secret" not in repr(error) + str(error)
