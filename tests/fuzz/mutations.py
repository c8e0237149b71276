"""What is done to good input to make it bad."""

from __future__ import annotations

from hypothesis import strategies as st

NUMBERS = [0, 1, -1, 2, 3, 7, 255, 2**15, 2**20, 2**31 - 1, -(2**31), 2**32, 2**40, 2**62, 2**63 - 1, -(2**63)]
"""That sizes, counts and positions rarely are."""
TEXTS = ["", "a", "..", "/", "../a", "a/../../b", "NaN", "inf", "1e999", "\n", "%s", "{}", "é", "x" * 300, "true", "[]"]


@st.composite
def mutated(draw: st.DrawFn, data: bytes, most: int = 6) -> bytes:
    """Bytes with a few of them changed, left out, doubled or added, or with the end cut off."""
    made = bytearray(data)
    for _ in range(draw(st.integers(1, most))):
        place = draw(st.integers(0, len(made)))
        match draw(st.sampled_from(["change", "flip", "remove", "insert", "double", "cut", "text"])):
            case "change" if place < len(made):
                made[place] = draw(st.integers(0, 255))
            case "flip" if place < len(made):
                made[place] ^= 1 << draw(st.integers(0, 7))
            case "remove":
                del made[place : place + draw(st.integers(1, 40))]
            case "insert":
                made[place:place] = draw(st.binary(min_size=1, max_size=20))
            case "double":
                made[place:place] = made[place : place + draw(st.integers(1, 60))]
            case "cut":
                if draw(st.integers(0, 3)) == 0:
                    del made[place:]
            case "text":
                made[place:place] = str(draw(st.sampled_from([*NUMBERS, *TEXTS]))).encode()
    return bytes(made)


def json_values(leaves: st.SearchStrategy[object] | None = None) -> st.SearchStrategy[object]:
    """What JSON or YAML can hold, in small."""
    plain = st.one_of(st.none(), st.booleans(), st.sampled_from(NUMBERS), st.sampled_from(TEXTS), st.floats())
    mixed = plain if leaves is None else st.one_of(leaves, plain)
    keys = st.sampled_from(TEXTS)
    return st.recursive(
        mixed, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=4
    )
