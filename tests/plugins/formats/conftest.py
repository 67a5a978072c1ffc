"""Lets these tests import the samples beside them (`from config_samples import …`)."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
