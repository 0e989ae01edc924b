"""`hostel demo`: one look at everything, offline."""


async def demo() -> None:
    """Show hostel at work."""
