"""The toolbox as a caller has it, with the built-in providers and no network."""

from collections.abc import AsyncGenerator

import pytest

from whichweights.toolbox import Toolbox, open_toolbox


@pytest.fixture
async def tools() -> AsyncGenerator[Toolbox]:
    async with open_toolbox() as toolbox:
        yield toolbox
