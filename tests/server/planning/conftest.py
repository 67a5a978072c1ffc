"""Lets the planning tests import the specs beside them (`from specs import …`)."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
