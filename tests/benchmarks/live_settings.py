"""The product's settings, with the process that answered in a header: for the benchmark of what goes live where."""

import os
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from console.settings import *  # noqa: F403
from console.settings import MIDDLEWARE as PRODUCT

HEADER = "X-Process"
MIDDLEWARE = [*PRODUCT, "tests.benchmarks.live_settings.tell_process"]


def tell_process(answer: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def told(request: HttpRequest) -> HttpResponse:
        response = answer(request)
        response[HEADER] = str(os.getpid())
        return response

    return told
