"""The last value with room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from whichweights.planning._edge import last_with_room


@given(
    falls=st.lists(st.integers(0, 1000), min_size=1, max_size=300),
    start=st.integers(-50, 20_000),
    step=st.sampled_from([1, 16, 256]),
)
def test_one_more_has_no_room_whatever_the_shape(falls: list[int], start: int, step: int):
    rooms = [start]
    for fall in falls:
        rooms.append(rooms[-1] - fall)
    found = last_with_room(lambda value: rooms[value], len(falls), step)
    assert found == max((value for value in range(1, len(rooms)) if rooms[value] >= 0), default=0)


@given(rate=st.integers(1, 10**6), room=st.integers(0, 10**12), step=st.sampled_from([1, 16, 256]))
def test_a_cache_that_grows_in_cells_takes_few_questions(rate: int, room: int, step: int):
    asked: list[int] = []

    def left(tokens: int) -> int:
        asked.append(tokens)
        return room - rate * (-(-tokens // step) * step)

    found = last_with_room(left, 131_072, step)
    assert found == min(131_072, room // rate // step * step)
    assert len(asked) <= 10
