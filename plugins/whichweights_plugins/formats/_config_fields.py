"""Typed and bounded reading of one config.json, with a memory of the defaults that stood in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from whichweights_plugins.formats._malformed import malformed
from whichweights_schemas.errors import UnsupportedArchitecture

MAX_VALUE: Final = 2**40
"""No width, count or length of a model comes near; larger ones are a mistake or an attack."""

MAX_LAYERS: Final = 4096
"""Published models have at most a few hundred layers."""

_MAX_LIST: Final = 2 * MAX_LAYERS


class Fields:
    """One JSON object of a config. `assumed` lists the class defaults that were taken instead."""

    def __init__(
        self,
        values: Mapping[str, object],
        model_type: str,
        defaults: Mapping[str, int] | None = None,
        assumed: list[str] | None = None,
    ) -> None:
        self._values = values
        self._defaults = defaults or {}
        self.model_type = model_type
        self.assumed: list[str] = [] if assumed is None else assumed

    def has(self, key: str) -> bool:
        """Whether the key is there with a value other than null."""
        return self._values.get(key) is not None

    def says(self, key: str) -> bool:
        """Whether the key is there, null included."""
        return key in self._values

    def raw(self, key: str) -> object:
        """The value as JSON gave it, for keys that come in several forms."""
        return self._values.get(key)

    def optional(self, *keys: str) -> int | None:
        """The first of these that is there, as an integer; the class default; else None."""
        for key in keys:
            value = self._values.get(key)
            if value is not None:
                return _integer(value, key)
        for key in keys:
            if key in self._defaults and key not in self._values:
                return self._assume(key, self._defaults[key])
        return None

    def integer(self, *keys: str, default: int | None = None) -> int:
        """As `optional`; `default` is the class default of a key that is missing or null.

        Raises:
            UnsupportedArchitecture: none of the keys is there and no default is certain.
        """
        found = self.optional(*keys)
        if found is not None:
            return found
        if default is None:
            raise UnsupportedArchitecture(
                f"the config.json of this {self.model_type} model does not say `{keys[0]}`",
                field="model",
                hint="Name the original repository; its config.json is usually complete.",
            )
        return self._assume(keys[0], default)

    def number(self, key: str) -> float | None:
        """A number that need not be whole, or None."""
        value = self._values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise malformed(f"config.json: `{key}` is no number")
        if not 0 <= value <= MAX_VALUE:
            raise malformed(f"config.json: `{key}` is out of range")
        return float(value)

    def layers(self, *keys: str) -> int:
        """The number of layers, within bounds."""
        count = self.integer(*(keys or ("num_hidden_layers",)))
        if not 1 <= count <= MAX_LAYERS:
            raise malformed(f"config.json claims {count:,} layers")
        return count

    def flag(self, key: str, default: bool) -> bool:
        """A boolean; `default` is the class default."""
        value = self._values.get(key)
        if value is None:
            self.assumed.append(f"{key}={str(default).lower()}")
            return default
        if not isinstance(value, bool):
            raise malformed(f"config.json: `{key}` is no boolean")
        return value

    def switched(self, key: str) -> bool:
        """Whether an optional feature is on; absence means it does not exist."""
        return self._values.get(key) is True

    def text(self, key: str) -> str | None:
        """A string, or None."""
        value = self._values.get(key)
        if value is not None and not isinstance(value, str):
            raise malformed(f"config.json: `{key}` is no text")
        return value

    def list(self, key: str) -> tuple[object, ...] | None:
        """A list of bounded length, or None."""
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, list):
            raise malformed(f"config.json: `{key}` is no list")
        items = cast("list[object]", value)
        if len(items) > _MAX_LIST:
            raise malformed(f"config.json: `{key}` has {len(items):,} entries")
        return tuple(items)

    def integers(self, key: str) -> tuple[int, ...] | None:
        """A list of integers, or None."""
        items = self.list(key)
        return None if items is None else tuple(_integer(item, key) for item in items)

    def texts(self, key: str) -> tuple[str, ...] | None:
        """A list of strings, or None."""
        items = self.list(key)
        if items is None:
            return None
        if not all(isinstance(item, str) for item in items):
            raise malformed(f"config.json: `{key}` holds something other than text")
        return tuple(str(item) for item in items)

    def per_layer(self, key: str, layers: int, default: int | None = None) -> tuple[int, ...]:
        """An integer for every layer: a list of that length, or one value for all."""
        if isinstance(self._values.get(key), list):
            values = self.integers(key) or ()
            if len(values) != layers:
                raise malformed(f"config.json: `{key}` has {len(values)} entries, not {layers}")
            return values
        return (self.integer(key, default=default),) * layers

    def section(self, key: str) -> Fields | None:
        """A nested object; what it assumes is remembered here too."""
        value = self._values.get(key)
        if not isinstance(value, Mapping):
            return None
        nested = cast("Mapping[str, object]", value)
        return Fields(nested, self.model_type, assumed=self.assumed)

    def section_names(self) -> tuple[str, ...]:
        """The keys that hold nested objects, in order."""
        return tuple(key for key, value in self._values.items() if isinstance(value, Mapping))

    def count_sections(self) -> int:
        """How many keys hold nested objects."""
        return len(self.section_names())

    def _assume(self, key: str, value: int) -> int:
        self.assumed.append(f"{key}={value}")
        return value


def _integer(value: object, key: str) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise malformed(f"config.json: `{key}` is no whole number")
    if not 0 <= value <= MAX_VALUE:
        raise malformed(f"config.json: `{key}` is out of range")
    return value


def refuse(fields: Fields, reason: str) -> UnsupportedArchitecture:
    """The error for a variant of a known class that changes the shape in a way not understood."""
    return UnsupportedArchitecture(
        f"this {fields.model_type} model {reason}",
        field="model",
        hint="Its weights can still be sized from the files; cache and buffers cannot.",
    )
