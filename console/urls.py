"""Every address of the site; what answers there lives in console.views and in the packages' `api`."""

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from console.accounts.account_urls import accounts
from console.catalogue.arm_urls import arm_pages
from console.catalogue.catalogue_urls import catalogue
from console.compliance.compliance_urls import compliance
from console.views import (
    audit,
    boosts,
    customers,
    dead_letters,
    decisions,
    features,
    health,
    home,
    policies,
    quality,
    reach,
    releases,
    reviews,
    rule_editor,
    rules,
    stops,
    what_if,
)

# Swagger UI writes style attributes and draws its icons from data: addresses; its script is served as a file.
docs = csp_update({"style-src": [SELF, UNSAFE_INLINE], "img-src": [SELF, "data:"]})(
    SpectacularSwaggerSplitView.as_view(url_name="schema")
)

pages: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("search/", decisions.search, name="search"),
    *accounts,
    *catalogue,
    *arm_pages,
    path("reach/", reach.index, name="reach"),
    path("reach/compute/", reach.compute, name="reach_compute"),
    path("offers/<slug:key>/funnel/", reach.funnel, name="offer_funnel"),
    path("what-if/", what_if.index, name="what_if"),
    path("what-if/save/", what_if.save, name="what_if_save"),
    path("rules/", rules.index, name="rules"),
    path("rules/new/", rule_editor.rule, name="rule_new"),
    path("rules/<slug:key>/", rules.detail, name="rule"),
    path("rules/<slug:key>/edit/", rule_editor.rule, name="rule_edit"),
    path("boosts/", boosts.index, name="boosts"),
    path("boosts/new/", rule_editor.boost, name="boost_new"),
    path("boosts/<slug:key>/edit/", rule_editor.boost, name="boost_edit"),
    path("policies/", policies.index, name="policies"),
    path("policies/contact/<slug:key>/edit/", policies.contact, name="contact_policy_edit"),
    path("policies/ranking/<slug:key>/edit/", policies.ranking, name="ranking_edit"),
    path("reviews/", reviews.inbox, name="reviews"),
    path("reviews/<int:change_id>/", reviews.detail, name="review"),
    path("reviews/<int:change_id>/evidence/", reviews.evidence, name="review_evidence"),
    path("reviews/<int:change_id>/approve/", reviews.approve, name="review_approve"),
    path("reviews/<int:change_id>/reject/", reviews.reject, name="review_reject"),
    path("reviews/<int:change_id>/send-back/", reviews.send_back, name="review_send_back"),
    path("reviews/<int:change_id>/discuss/", reviews.discuss, name="review_discuss"),
    path("reviews/<int:change_id>/break-glass/", reviews.break_glass, name="review_break_glass"),
    path("reviews/<int:change_id>/cancel/", reviews.cancel, name="review_cancel"),
    path("reviews/<int:change_id>/reopen/", reviews.reopen, name="review_reopen"),
    path("reviews/<int:change_id>/justify/", reviews.justify, name="review_justify"),
    path("reviews/<int:change_id>/submit/", reviews.submit, name="review_submit"),
    path("reviews/<int:change_id>/withdraw/", reviews.withdraw, name="review_withdraw"),
    path("releases/", releases.index, name="releases"),
    path("releases/difference/", releases.difference, name="release_difference"),
    path("releases/import/", releases.upload, name="release_import"),
    path("releases/<int:number>/", releases.detail, name="release"),
    path("releases/<int:number>/files/", releases.download, name="release_files"),
    path("releases/<int:number>/roll-back/", releases.roll_back, name="release_roll_back"),
    path("stops/", stops.index, name="stops"),
    path("stops/stop/", stops.stop, name="stop_make"),
    path("stops/resume/", stops.resume, name="stop_resume"),
    *compliance,
    path("decisions/", decisions.index, name="decisions"),
    path("decisions/<uuid:decision_id>/", decisions.detail, name="decision"),
    path("decisions/<uuid:decision_id>/replay/", decisions.run_replay, name="decision_replay"),
    path("audit/", audit.index, name="audit"),
    path("audit/check/", audit.verify, name="audit_verify"),
    path("features/", features.index, name="features"),
    path("features/<slug:name>/", features.group, name="feature_group"),
    path("customers/", customers.index, name="customers"),
    path("customers/by-key/<int:key>/", customers.by_key, name="customer_by_key"),
    path("customers/<str:external_id>/", customers.detail, name="customer"),
    path("customers/<str:external_id>/keep/", customers.suppress, name="customer_suppress"),
    path("customers/<str:external_id>/keep/<int:key>/end/", customers.lift, name="customer_lift"),
    path("data-quality/", quality.index, name="quality"),
    path("dead-letters/", dead_letters.index, name="dead_letters"),
    path("dead-letters/settle/", dead_letters.settle, name="dead_letters_settle"),
    path("health/", health.index, name="health"),
    path("health/streams/", health.streams, name="health_streams"),
]

# The REST contract under /api/v1, from decisioning.api and fairness.api; /healthz, /readyz and /metrics at the root.
rest: list[URLPattern | URLResolver] = [
    path("", include("decisioning.api.health")),
    path("api/v1/", include(("fairness.api.urls", "fairness_api"))),
    path("api/v1/", include(("decisioning.api.urls", "api"))),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", docs, name="docs"),
]

urlpatterns = pages + rest
