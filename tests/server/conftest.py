"""The toolbox as a caller has it: built-in providers, no network, whatever this machine is."""

import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from whichweights.config import Config, Limits
from whichweights.toolbox import Toolbox, open_toolbox

sys.path.append(
    str(Path(__file__).parents[1] / "plugins" / "tokenizers")
)  # vocabularies made there


@pytest.fixture
async def tools() -> AsyncGenerator[Toolbox]:
    patient = Config(limits=Limits(provider_seconds=120))  # a busy machine decides no test
    async with open_toolbox(patient) as toolbox:
        yield toolbox
