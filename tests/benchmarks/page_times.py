"""How long pages take over the bank of a benchmark, for somebody with every role, beside an empty page behind the same
middleware."""

from __future__ import annotations

import time
from typing import Any, Final

import numpy as np

CALLS: Final = 30
FLOOR: Final = "/empty/"


def everybody() -> Any:
    """A test client of somebody with every role that one person may hold, so that every page opens and shows all."""
    from django.conf import settings
    from django.contrib.auth.models import Group
    from django.test import Client

    from offers import roles
    from tests import factories

    settings.ROOT_URLCONF = "tests.benchmarks.page_urls"
    settings.REQUIRE_SECOND_FACTOR = False
    person, apart = factories.make_user(roles.COMPLIANCE, "bench"), (roles.AUDITOR, roles.MODEL_RISK)
    person.groups.set([Group.objects.get_or_create(name=role)[0] for role in roles.ROLES if role not in apart])
    client = Client(SERVER_NAME="localhost")
    client.force_login(person)
    return client


def measured(client: Any, address: str) -> tuple[int, int, float, float]:
    """Status, queries, and the median and 95th percentile in milliseconds of a page."""
    from django.db import connection

    asked = 0

    def counted(execute: Any, *arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        return execute(*arguments)

    client.get(address)  # what a process reads once is not a page's
    with connection.execute_wrapper(counted):
        status = client.get(address).status_code
    taken = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        client.get(address)
        taken.append((time.perf_counter() - begun) * 1e3)
    median, p95 = np.percentile(taken, [50, 95])
    return status, asked, float(median), float(p95)
