"""Lets the training tests import the specs of the planning tests (`from specs import …`)."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
