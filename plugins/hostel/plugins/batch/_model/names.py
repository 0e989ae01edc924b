"""What the plugin and its tasks are called."""

import logging

NAME = "batch"
KIND = "batch"

log = logging.getLogger("hostel.batch")
