"""A steady load of decisions in a process of its own: asks until its input closes, then says what each answer was.

Every other question is of a session of before, which a lease holds. Moments are of CLOCK_MONOTONIC, the same in every
process of the machine. A question that its connection is late for is sent at once, so that the rate is kept.
"""

from __future__ import annotations

import asyncio
import random
import sys
import threading
import time
from typing import Any

import django
import orjson

from tests.benchmarks import load

HELD = 400  # sessions that may be asked for again
_HEADER = b"x-process: "

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Channel:
    """One session after the other, and its answers as [began, ended, process, release, reused, offers]."""

    def __init__(self, key: str, customers: int) -> None:
        self.key, self.customers, self.answers = key, customers, list[list[Any]]()
        self.sessions: list[tuple[str, str]] = []
        self.refused = 0

    def question(self) -> bytes:
        from tests import bank

        if self.sessions and random.random() < 0.5:
            customer, session = random.choice(self.sessions[-HELD:])
        else:
            customer, session = f"C-{random.randint(1, self.customers)}", f"live-{time.monotonic_ns()}"
            self.sessions.append((customer, session))
        return load.post("/api/v1/decisions", bank.body(customer, session, limit=3), self.key)

    def take(self, began: float, head: bytes, body: bytes) -> None:
        if head[9:10] != b"2":
            self.refused += 1
            return
        answer = orjson.loads(body)
        process = int(head.partition(_HEADER)[2].partition(b"\r\n")[0])
        offers = [offer["offer"] for offer in answer["offers"]]
        self.answers.append([began, time.monotonic(), process, answer["release"], answer["reused"], offers])


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head, await reader.readexactly(length)


async def spread(port: int, connections: int, workers: int) -> list[Streams]:
    """As many connections to each worker: left to chance, most of them end up with one."""
    held: dict[bytes, list[Streams]] = {}
    while sum(map(len, held.values())) < connections:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        process = (await answer(reader))[0].partition(_HEADER)[2].partition(b"\r\n")[0]
        if len(held.setdefault(process, [])) < connections // workers:
            held[process].append((reader, writer))
        else:
            writer.close()
    return [streams for group in zip(*held.values(), strict=True) for streams in group]


async def drive(port: int, channel: Channel, rate: float, opened: list[Streams], ended: threading.Event) -> None:
    started = time.monotonic()

    async def one(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        due = started + number / rate
        while not ended.is_set():
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            began = time.monotonic()
            writer.write(channel.question())
            channel.take(began, *await answer(reader))
            due += len(opened) / rate
        writer.close()

    await asyncio.gather(*(one(number, *streams) for number, streams in enumerate(opened)))


async def run(port: int, channel: Channel, rate: float, connections: int, workers: int, ended: threading.Event) -> None:
    await drive(port, channel, rate, await spread(port, connections, workers), ended)


def main(port: int, customers: int, rate: float, connections: int, workers: int) -> None:
    django.setup()
    channel, ended = Channel(sys.stdin.readline().strip(), customers), threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    asyncio.run(run(port, channel, rate, connections, workers, ended))
    sys.stdout.buffer.write(orjson.dumps({"answers": channel.answers, "refused": channel.refused}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
