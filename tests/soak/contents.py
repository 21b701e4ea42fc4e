"""What files hold: small, and often the same for several who write at once."""

import random

# How many contents are being written by everyone at a time.
WIDTH = 300


def fresh(rng):
    """A content that nobody else has."""
    return rng.randbytes(rng.choice((120, 400, 1200, 5000)))


def shared(rng, progress):
    """A content that others write, delete and write again at about the same time.

    `progress` moves on as a writer does, and the contents with it, so that none is kept alive for ever.
    """
    number = progress + rng.randrange(WIDTH)
    return random.Random(f"shared {number}").randbytes(200 + number % 700)


def files(rng, progress, count, fresh_share=0.7):
    """Paths and contents; the first is always fresh, so that no two versions are the same."""
    contents = (
        fresh(rng) if number == 0 or rng.random() < fresh_share else shared(rng, progress)
        for number in range(count)
    )
    return {f"part-{number % 7}/{number:03}.bin": content for number, content in enumerate(contents)}
