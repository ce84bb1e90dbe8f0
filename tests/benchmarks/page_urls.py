"""The site with one page more: nothing behind the same middleware and the same guard, the floor of bench_pages."""

from django.http import HttpResponse
from django.urls import URLPattern, URLResolver, path

from console import urls
from console.access import SignedInRequest, allowed


@allowed("see:offers")
def empty(request: SignedInRequest) -> HttpResponse:
    return HttpResponse()


urlpatterns: list[URLPattern | URLResolver] = [*urls.urlpatterns, path("empty/", empty)]
