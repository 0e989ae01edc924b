"""Where the command line keeps hostel's own things."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import platformdirs


def data_dir() -> Path:
    """Return the folder of what survives a process: `HOSTEL_DATA_DIR`, else the platform's place for a
    user's data.
    """
    chosen = os.environ.get("HOSTEL_DATA_DIR")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_data_dir("hostel"))


def runtime_dir() -> Path:
    """Return the folder of what lives as long as a process: `hostel/` in the user's runtime directory.

    :raises PermissionError: if the only place for it belongs to somebody else.
    """
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base:
        return Path(base) / "hostel"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the variable is not set is no news to whoever did not set it
        return Path(platformdirs.user_runtime_dir("hostel"))
