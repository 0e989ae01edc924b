import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.model_pull import DownloadId, DownloadRequest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("org/m:Q8_0", DownloadId("org/m", "Q8_0")),
        ("org/m", DownloadId("org/m")),
        ("org/m:Q8_0@dev", DownloadId("org/m", "Q8_0", "dev")),
        ("http://h:80/m", DownloadId("http://h:80/m")),
        ("org/m:", DownloadId("org/m:")),
        ("org/m:Q8_0@dev+0a1b2c", DownloadId("org/m", "Q8_0", "dev", "0a1b2c")),
    ],
)
def test_an_id_is_read_as_it_is_written(text: str, expected: DownloadId) -> None:
    assert expected == DownloadId.parse(text)
    assert text == str(expected)


@given(
    st.builds(
        DownloadRequest,
        st.sampled_from(["org/m", "https://h/x"]),
        quantization=st.none() | st.just("Q8_0"),
        revision=st.none() | st.just("dev"),
        force=st.booleans(),
        include=st.lists(st.text(max_size=3), max_size=2),
        exclude=st.lists(st.text(max_size=3), max_size=2),
        cache_dir=st.none() | st.just(Path("/c")),
        budget=st.none() | st.integers(1),
        limit=st.none() | st.floats(1, 9),
    )
)
def test_a_request_survives_being_written_as_json(request: DownloadRequest) -> None:
    params = json.loads(json.dumps(request.to_params()))

    assert request == DownloadRequest.from_params(params)


SENSELESS = [0, 0.5, -1, math.inf, -math.inf, math.nan, 10**400, True, "5"]


@pytest.mark.parametrize("limit", SENSELESS)
def test_a_senseless_limit_is_refused_by_name(limit: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="rate"):
        DownloadRequest("org/m", limit=limit)


@pytest.mark.parametrize("budget", [0, -1, math.inf, math.nan, True, "5", 1.5])
def test_a_senseless_budget_is_refused_by_name(budget: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="budget"):
        DownloadRequest("org/m", budget=budget)


def test_a_format_is_kept_as_its_name_and_read_in_any_case() -> None:
    request = DownloadRequest.from_params({"repo_id": "org/m", "format": "ONNX"})

    assert request.to_params() == {"repo_id": "org/m", "format": "onnx"}
    assert DownloadRequest.from_params(request.to_params()).format is request.format
    with pytest.raises(ValueError, match="'zip' is no format"):
        DownloadRequest.from_params({"repo_id": "org/m", "format": "zip"})
