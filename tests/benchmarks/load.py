"""A load generator on one thread: keep-alive connections that each send the next request when the last is answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Load:
    """Requests a second over the whole run, and latencies in milliseconds; `refused` counts answers over 299."""

    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    refused: int


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], latencies: list[float], refused: list[int]) -> None:
        self.requests, self.latencies, self.refused = requests, latencies, refused
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer, self.sent = b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.next()

    def next(self) -> None:
        content = next(self.requests, None)
        if content is None:
            self.transport.close()
            return
        self.sent = time.perf_counter()
        self.transport.write(content)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self.latencies.append(time.perf_counter() - self.sent)
        if head[9:10] != b"2":
            self.refused.append(int(head[9:12]))
        self.buffer = b""
        self.next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


def run(port: int, requests: list[bytes], connections: int) -> Load:
    """Send every request once, over this many connections."""
    latencies: list[float] = []
    refused: list[int] = []
    waiting = iter(requests)

    async def drive() -> None:
        loop = asyncio.get_running_loop()
        opened = [
            await loop.create_connection(lambda: _Connection(waiting, latencies, refused), "127.0.0.1", port)
            for _ in range(connections)
        ]
        await asyncio.gather(*(protocol.done for _, protocol in opened))

    started = time.perf_counter()
    asyncio.run(drive())
    seconds = time.perf_counter() - started
    p50, p99 = np.percentile(latencies, [50, 99]) * 1000
    return Load(len(latencies), len(latencies) / seconds, float(p50), float(p99), len(refused))


def post(path: str, content: bytes, key: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Api-Key {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content
