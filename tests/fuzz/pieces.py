"""How an input of the fuzzer says where its bytes are cut."""


def choices(data: bytes) -> tuple[int, bytes]:
    """The first byte, from which a target takes its yes-and-no choices, and the rest; 0 for none."""
    return (data[0] if data else 0), data[1:]


def cut(data: bytes) -> tuple[bytes, list[bytes]]:
    """The bytes whole, and in pieces.

    The first byte's low three bits say how many cuts there are, a byte each says how long the piece before it
    is; its high bit asks for pieces of one byte instead.
    """
    how, rest = choices(data)
    if how & 0x80:
        return rest, [rest[at : at + 1] for at in range(len(rest))]
    sizes, rest = rest[: how & 7], rest[how & 7 :]
    pieces = []
    at = 0
    for size in sizes:
        pieces.append(rest[at : at + size])
        at += size
    return rest, [*pieces, rest[at:]]
