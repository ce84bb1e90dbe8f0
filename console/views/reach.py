"""Who is shown nothing and could be, and why one offer is shown as often as it is; nothing is proposed here."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

import orjson
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from console.access import SignedInRequest, allowed
from console.engine import engine
from console.templatetags.console import amount, words
from console.whole_number import whole_number
from console.wording import measured
from decisioning import activity, impact
from decisioning.impact import Funnel, Kept, Looser, Step
from decisioning.models import Job, UnservedReport
from decisioning.plan import Plan
from decisioning.tasks import UNSERVED, find_unserved
from offers import roles
from offers.register import attribute

# How a stage ends it for somebody, in the words of the page.
STAGES: Final = {
    "stops": "stopped",
    "consent": "may not be contacted",
    "eligibility": "not eligible for any offer",
    "caps": "contacted often enough",
    "propensity": "shown something of little interest",
}
_CONTACT: Final = {
    "NO_CONSENT": "no consent to marketing on this channel",
    "SUPPRESSED": "suppressed",
    "OVERRIDDEN": "kept from them by an override",
    "NOT_NOW": "left alone while activity is unusual",
    "HOLDOUT": "held out, to measure against",
    "CAPPED": "contact caps reached",
    "STOPPED": "stopped by somebody",
    "NOT_IN_SEASON": "not in season, or on no placement",
    "NO_ELIGIBLE_OFFER": "not eligible for any offer",
}


@allowed("see:reach")
def index(request: SignedInRequest) -> HttpResponse:
    report = UnservedReport.objects.first()
    job = _newest_job()
    asked_after = whole_number(request.GET.get("after", ""))
    return render(
        request,
        "reach/index.html",
        {
            "report": _report(report) if report else None,
            "running": job is not None and job.status == Job.Status.RUNNING,
            "waiting": asked_after is not None and (job.pk if job else 0) <= asked_after,
            "failed": job.message if job is not None and job.status == Job.Status.FAILED else "",
            "may_propose": roles.may(request.user, "propose:offer"),
        },
    )


def _newest_job() -> Job | None:
    return Job.objects.filter(kind=UNSERVED).first()


@require_POST
@allowed("see:reach")
def compute(request: SignedInRequest) -> HttpResponse:
    """Ask for it, and for a page that waits until the worker has begun: nothing runs yet when this answers."""
    job = _newest_job()
    if job is not None and job.status == Job.Status.RUNNING:
        return redirect("reach")
    try:
        find_unserved.delay()
    except OperationalError:
        messages.error(request, "The queue does not answer, so nothing is being computed. Try again in a moment.")
        return redirect("reach")
    return redirect(f"{reverse('reach')}?after={job.pk if job else 0}")


def _report(row: UnservedReport) -> dict[str, Any]:
    """Counts as customers of the whole bank, where a sample was looked at."""
    content = row.content
    times = content["population"] / content["sample"] if content["sample"] else 0.0

    def scaled(count: int) -> int:
        return round(count * times)

    without = sum(content["ended"].values())
    return {
        **content,
        "computed_at": row.computed_at,
        "sampled": content["sample"] < content["population"],
        "without": scaled(without),
        "share": without / content["sample"] if content["sample"] else 0.0,
        "weak": scaled(content["weak"]),
        "ended": [
            {"label": _CONTACT.get(reason, words(reason)), "count": scaled(count), "share": count / content["sample"]}
            for reason, count in sorted(content["ended"].items(), key=lambda one: -one[1])
        ],
        "groups": [
            {
                **group,
                "people": scaled(group["people"]),
                "count": scaled(group["count"]),
                "share": group["count"] / group["people"],
                "stage": STAGES.get(group["stage"], group["stage"]),
                "reasons": [(code, count / group["count"]) for code, count in group["reasons"]],
                "href": f"{reverse('offer_new')}?{urlencode({'when': orjson.dumps(group['when']).decode()})}",
            }
            for group in content["groups"]
        ],
    }


@allowed("see:reach")
def funnel(request: SignedInRequest, key: str) -> HttpResponse:
    live = engine()
    if live is None or key not in live.plan.position:
        raise Http404(f"{key} is in no live release.")
    now = timezone.now()
    kept = impact.kept(now)
    found = impact.funnel(live.plan, key, kept, now)
    offer = live.plan.release.offers[key]
    return render(
        request,
        "reach/funnel.html",
        {
            "offer": offer,
            "population": kept.population,
            "sample": len(kept.people),
            "sampled": kept.share < 1,
            "scene": found.scene,
            "headline": _headline(found, live.plan, kept),
            "steps": [_step(step, live.plan, kept) for step in found.steps],
            "left": kept.scaled(found.left),
            "left_share": found.left / found.people if found.people else 0.0,
            "competes": found.competes,
            "first": kept.scaled(found.first),
            "outranked": kept.scaled(found.left - found.first),
            "first_share": found.first / found.left if found.left else 0.0,
            "rivals": [
                {"key": other, "name": live.plan.release.offers[other].name, "share": count / found.left}
                for other, count in found.rivals
            ],
            "looser": [_looser(one, live.plan, kept) for one in found.looser],
            "seen": _seen(key, live.plan),
        },
    )


def _headline(found: Funnel, plan: Plan, kept: Kept) -> str:
    """What takes most of the offer's traffic away, in a sentence."""
    if not found.people:
        return "There is no customer yet."
    most, lost = found.biggest, found.left - found.first
    if most is None or (found.left and lost > most.ended):
        if not found.competes:
            return "Everybody whom it could reach is reached by others: none of its arms competes."
        rival = f", most of them {plan.release.offers[found.rivals[0][0]].name}" if found.rivals else ""
        return f"Most is lost in the ranking: {amount(kept.scaled(lost))} customers see another offer first{rival}."
    what = _named(most, plan)
    if most.kind == "rule":
        return f"The rule “{what}” takes most: {amount(kept.scaled(most.ended))} customers do not meet it."
    return f"Most is lost because of {what}: {amount(kept.scaled(most.ended))} customers."


def _seen(offer: str, plan: Plan) -> dict[str, Any]:
    """What has really been shown of late, and what came of it."""
    newest = activity.newest()
    rewards = activity.rewards_of([arm for arm in plan.arms if plan.release.arms[arm].offer == offer])
    return {
        "decisions": newest.decisions,
        "first": newest.offers.get(offer, 0),
        "trials": rewards.trials,
        "rate": rewards.rewarded / rewards.trials if rewards.trials else None,
    }


def _named(step: Step, plan: Plan) -> str:
    return plan.release.rules[step.name].title if step.kind == "rule" else _CONTACT.get(step.name, words(step.name))


def _step(step: Step, plan: Plan, kept: Kept) -> dict[str, Any]:
    return {
        "name": _named(step, plan),
        "rule": step.name if step.kind == "rule" else "",
        "code": plan.release.rules[step.name].reason_code if step.kind == "rule" else "",
        "ended": kept.scaled(step.ended),
        "left": kept.scaled(step.left),
        "share": step.left / len(kept.people) if len(kept.people) else 0.0,
        "alone": kept.scaled(step.alone),
    }


def _looser(one: Looser, plan: Plan, kept: Kept) -> dict[str, Any]:
    declared = attribute(one.clause.attribute)
    return {
        "rule": one.rule,
        "title": plan.release.rules[one.rule].title,
        "attribute": declared.meaning,
        "before": measured(one.clause.value, declared.unit),
        "after": measured(one.value, declared.unit),
        "added": kept.scaled(one.added),
    }
