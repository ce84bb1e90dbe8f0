"""Every page of the console with something on it, for tests that look at all of them in a browser."""

from __future__ import annotations

from django.test import Client
from django.urls import URLPattern, reverse
from playwright.sync_api import BrowserContext

from console import urls
from fairness.models import ComparatorPair, CubeComparison, CustomerRequest, MonthFigure, Search
from tests.living_bank import LivingBank

# What its address needs; "{decision}" and the like stand for what the living bank has.
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "offer": ("travel-plus",), "offer_edit": ("student",), "offer_duplicate": ("student",), "offer_terms": ("student",),
    "offer_funnel": ("travel-plus",), "creatives": ("student",), "creative_new": ("student",),
    "creative_edit": ("student", "plain"), "placement_edit": ("home",), "arm": ("student", "plain"),
    "arm_draws": ("student", "plain"), "arm_change": ("student", "plain"), "arm_act": ("student", "plain", "pause"),
    "rule": ("score-670",), "rule_edit": ("score-670",), "contact_policy_edit": ("standard",),
    "ranking_edit": ("standard",), "review": ("{change}",), "release": ("1",), "decision": ("{decision}",),
    "fairness_drill": ("travel-plus", "region"), "fairness_counts": ("{comparison}",),
    "fairness_score_counts": ("{figure}",),
    "fairness_history": ("card_offers",), "causes": ("travel-plus", "region"),
    "decision_explanation": ("{decision}", "examiner"), "decision_letter": ("{decision}",), "request": ("{request}",),
    "why_not": ("{customer}",),
    "feature_group": ("account_state",), "pack": ("us-new-jersey",), "pack_edit": ("us-new-jersey",),
    "customer": ("{customer}",), "finding": ("{finding}",), "model": ("spare",),
    "model_edit": ("spare",), "validation": ("spare",), "alternatives_search": ("{search}",),
    "individuals_pair": ("{pair}",),
}  # fmt: skip
QUERIES = {
    "offer_compare": "?offer=student&offer=travel-plus", "release_difference": "?old=1&new=1",
    "why_not": "?offer=travel-plus",
}  # fmt: skip
# Not opened by itself: only posted to, a redirect, a fragment of a page, a file, or a step of a form.
NO_PAGE = frozenset(
    {
        "search", "sign_in", "sign_in_code", "sign_out", "single_sign_on", "single_sign_on_back", "your_phone_remove",
        "your_recovery_codes", "offer_step", "offers_chosen", "message_preview", "reach_compute",
        "what_if_save", "boost_edit", "review_evidence", "review_approve", "review_reject", "review_send_back",
        "review_discuss", "review_break_glass", "review_reopen", "review_justify", "review_submit", "review_withdraw",
        "review_cancel", "finding_assign", "finding_remedy", "finding_close", "finding_send_back", "hold_end",
        "firm_offer_pull",
        "release_import", "release_files", "release_roll_back", "stop_make", "stop_resume", "fairness_audit",
        "causes_find",
        "decision_explanation_pdf", "decision_explanation_json", "decision_letter_pdf", "request_take", "request_close",
        "request_refuse",
        "decision_replay", "audit_verify", "customer_by_key", "customer_suppress",
        "customer_lift", "dead_letters_settle", "arm_draws", "health_streams",
        "individuals_check", "examiner_make", "examiner_download", "model_measure", "model_card_pdf", "model_card_json",
        "validation_begin", "validation_write", "validation_countersign",
        "alternatives_waive", "alternatives_progress", "alternatives_run",
        "alternatives_decide", "alternatives_sign", "alternatives_propose", "alternatives_table", "alternatives_paper",
    }
)  # fmt: skip
_NAMES = {pattern.name for pattern in urls.pages if isinstance(pattern, URLPattern) and pattern.name}
PAGES = tuple(sorted(_NAMES - NO_PAGE))


def address(name: str, bank: LivingBank) -> str:
    held = {
        "change": bank.change.pk, "decision": bank.decisions[0], "customer": bank.customers[0], "finding": bank.finding,
        "comparison": CubeComparison.objects.values_list("pk", flat=True)[0],
        "figure": MonthFigure.objects.filter(kind="scores").values_list("pk", flat=True)[0],
        "request": CustomerRequest.objects.values_list("pk", flat=True)[0],
        "search": Search.objects.values_list("pk", flat=True)[0],
        "pair": ComparatorPair.objects.values_list("pk", flat=True)[0],
    }  # fmt: skip
    arguments = [argument.format(**held) for argument in ARGUMENTS.get(name, ())]
    return reverse(name, args=arguments) + QUERIES.get(name, "")


def client_of(bank: LivingBank, role: str) -> Client:
    client = Client()
    client.force_login(bank.people[role])
    return client


def sign_in_as(context: BrowserContext, url: str, client: Client) -> None:
    """Give a browser the session of a test client, as though its person had signed in."""
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": url}])
