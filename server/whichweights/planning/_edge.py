"""The last value that fits, from how much room is left at a few: bisection would ask far more."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["last_with_room"]


def last_with_room(room: Callable[[int], int], most: int, step: int = 1) -> int:
    """The largest value of 1 to `most` that has room, 0 if none has.

    `room`: bytes left at a value, negative where it does not fit, never rising with the value;
    where it falls in steps of some values, `step` saves looking between them. False position on
    the bytes left, halving where that does not at least halve the interval: exact for any falling
    room, and quick because room falls about linearly.
    """
    left = room(1)
    if left < 0:
        return 0
    over = room(most) if most > 1 else left
    if over >= 0:
        return most
    low, high, halve = 1, most, False
    while high - low > 1:
        width = high - low
        middle = low + (width // 2 if halve else width * left // (left - over))
        middle -= middle % step
        if middle <= low:
            # To the end of the step that `low` is in, or past it.
            middle = -(-low // step) * step if low % step else low + 1
        middle = min(middle, high - 1)
        found = room(middle)
        if found >= 0:
            low, left = middle, found
        else:
            high, over = middle, found
        halve = not halve and 2 * (high - low) > width
    return low
