"""`hostel pull --dry-run`, and `--format`, as a user types them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hostel.plugins.model_pull._cli.last_rate import LastRate, last_rate, note_rate
from hostel.plugins.model_pull.testing import MIB, Blob, LocalHub

COMMAND = [str(Path(sys.executable).parent / "hostel")]
FILES: dict[str, bytes | Blob] = {
    "m-Q4_K_M.gguf": Blob(size=MIB, seed=1),
    "m-Q8_0.gguf": Blob(size=2 * MIB, seed=2),
    "mmproj-F16.gguf": Blob(size=MIB, seed=3),
    "config.json": b"{}",
}
FORMATS: dict[str, bytes | Blob] = {
    "model.safetensors": Blob(size=MIB, seed=4),
    "onnx/model.onnx": Blob(size=MIB, seed=5),
    "onnx/config.json": b"{}",
    "config.json": b"{ }",
}


def hostel(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_a_plan_shows_files_choice_place_and_rate_and_writes_nothing(
    hub: LocalHub, own_home: Path, tmp_path: Path
) -> None:
    hub.add_repo("org/m", FILES)
    note_rate(tmp_path / "data", LastRate(rate=MIB / 2, at=0.0), fetched=MIB)

    lines = hostel("pull", "--dry-run", "org/m").stdout.splitlines()

    assert lines[0].startswith("org/m:Q4_K_M at ")
    assert lines[1:4] == ["  1.0 MiB  m-Q4_K_M.gguf", "  1.0 MiB  mmproj-F16.gguf", "      2 B  config.json"]
    assert lines[4] == "Chosen: Q4_K_M: first in the order of preference."
    assert lines[5] == "3 files, 2.0 MiB: 0:04 at 524.3 kB/s, as the last pull."
    assert lines[6].startswith(f"To {own_home}/hub/models--org--m/snapshots/")
    assert "are free" in lines[6]
    assert not own_home.exists()


def test_after_a_pull_the_plan_says_what_is_here(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)
    hostel("pull", "org/m")

    plan = json.loads(hostel("pull", "--dry-run", "--json", "org/m:Q8_0").stdout)

    assert (plan["type"], plan["id"], plan["format"], plan["quantization"]) == (
        "plan",
        "org/m:Q8_0",
        "gguf",
        "Q8_0",
    )
    assert {file["path"]: file["here"] for file in plan["files"]} == {
        "m-Q8_0.gguf": False,
        "mmproj-F16.gguf": True,
        "config.json": True,
    }
    assert (plan["total"], plan["missing"]) == (3 * MIB + 2, 2 * MIB)
    assert plan["seconds"] == pytest.approx(2 * MIB / plan["rate"])
    assert "all of it here" in hostel("pull", "--dry-run", "org/m").stdout


def test_a_format_is_pulled_and_the_others_are_named(hub: LocalHub) -> None:
    hub.add_repo("org/m", FORMATS)

    told = hostel("pull", "org/m").stdout
    assert "It is there as onnx too; safetensors is taken, --format takes another." in told
    folder = Path(hostel("pull", "org/m", "--format", "ONNX").stdout.splitlines()[-1])

    assert sorted(path.name for path in (folder / "onnx").iterdir()) == ["config.json", "model.onnx"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["org/f", "--format", "gguf"], "org/f: it is not there as gguf. It has safetensors (1.0 MiB), onnx"),
        (["org/f", "--budget", "1k"], "and the budget is 1000 B"),
        (["org/f:Q8_0"], "quantizations are chosen among GGUF files, and there are none to take"),
        (["org/m", "--budget", "1M"], "org/m: nothing fits in 976.6 KiB. It has Q4_K_M (1.0 MiB)"),
        (["org/m:mmproj-F16.gguf"], "mmproj-F16.gguf is a projector and no model: --include"),
        (["org/m:Q5"], "there is no 'Q5', did you mean Q4_K_M? It has"),
    ],
)
def test_what_cannot_be_chosen_is_one_sentence(hub: LocalHub, arguments: list[str], sentence: str) -> None:
    hub.add_repo("org/m", FILES)
    hub.add_repo("org/f", FORMATS)

    done = hostel("pull", "--dry-run", *arguments, code=1)

    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_options_that_mean_nothing_are_bad_usage() -> None:
    assert "is no format" in hostel("pull", "org/m", "--format", "zip", code=2).stderr
    assert "choose one" in hostel("pull", "org/m", "--dry-run", "--detach", code=2).stderr


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"rate": "x", "at": 0}', '{"rate": -1, "at": 0}', '{"rate": NaN}']
)
def test_a_rate_that_cannot_be_read_is_not_known(tmp_path: Path, text: str) -> None:
    (tmp_path / "last-rate.json").write_text(text)

    assert last_rate(tmp_path) is None


def test_few_bytes_say_nothing_about_a_line(tmp_path: Path) -> None:
    note_rate(tmp_path, LastRate(1.0, 0.0), fetched=1000)
    assert last_rate(tmp_path) is None

    note_rate(tmp_path, LastRate(2.0, 3.0), fetched=MIB)
    assert last_rate(tmp_path) == LastRate(2.0, 3.0)
    note_rate(tmp_path / "last-rate.json", LastRate(5.0, 0.0), fetched=MIB)  # no folder can be there
