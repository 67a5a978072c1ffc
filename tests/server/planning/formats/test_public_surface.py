from __future__ import annotations

from types import ModuleType

import whichweights.planning.formats as formats


def test_every_public_name_is_exported_and_exists() -> None:
    public = {
        name
        for name, value in vars(formats).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name != "annotations"
    }
    assert public == set(formats.__all__)
