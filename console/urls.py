"""Every address of the site; what answers there lives in console.views and in the packages' `api`."""

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

# Swagger UI writes style attributes and draws its icons from data: addresses; its script is served as a file.
docs = csp_update({"style-src": [SELF, UNSAFE_INLINE], "img-src": [SELF, "data:"]})(
    SpectacularSwaggerSplitView.as_view(url_name="schema")
)

# Pages, from console.views.
pages: list[URLPattern | URLResolver] = []

# The REST contract under /api/v1, from decisioning.api and fairness.api; /healthz, /readyz and /metrics at the root.
rest: list[URLPattern | URLResolver] = [
    path("", include("decisioning.api.health")),
    path("api/v1/", include("decisioning.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", docs, name="docs"),
]

urlpatterns = pages + rest
