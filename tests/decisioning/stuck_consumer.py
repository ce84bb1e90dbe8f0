"""A consumer that commits its first batch and never acknowledges it; a test kills it there."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import django
from django.utils import timezone

from decisioning.streams.source import Message, Source


class Stuck:
    """A source whose acknowledgement says so and waits."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.origin, self.read, self.close = source.origin, source.read, source.close

    def done(self, messages: Sequence[Message]) -> None:
        print(len(messages), flush=True)
        time.sleep(3600)


def main(kind: str) -> None:
    django.setup()
    from decisioning.streams import configured
    from decisioning.streams.consumer import consume

    consume(Stuck(configured.opened(kind)), running=lambda: True, clock=timezone.now)


if __name__ == "__main__":
    main(sys.argv[1])
