"""What the rule studio shows beside the form while somebody writes: the condition in words, whom it reaches, its tests,
its conflicts, and one customer to try it on; nothing is proposed here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.urls import reverse
from django.utils import timezone

from console.engine import engine
from console.studio import condition_form
from console.studio.condition_form import Tree
from console.studio.rule_forms import EXPECTATIONS, ScopedForm, customer_text
from console.templatetags.console import ago
from console.wording import ORIGINS, PURPOSES, WARNINGS, measured
from decisioning import profile, rule_reach
from decisioning.profile import UnknownCustomer
from decisioning.rule_reach import Finding
from decisioning.sample import Sample, sample
from fairness import proxies, thresholds
from offers import golden
from offers.catalog import requirement
from offers.conditions.describe import clause_lines, sentence, would_pass_if
from offers.conditions.evaluate import explain
from offers.conditions.grammar import Condition, InvalidCondition, attributes_of, clauses, parse
from offers.golden import Tested
from offers.register import GROUPS, Attribute, Use, attribute
from offers.types import Release, Rule, Scope

_FINDINGS: Final[Mapping[str, tuple[str, str]]] = {
    "never_fires": ("It never fires", "nobody in the sample is refused by it"),
    "refuses_everybody": ("It refuses everybody", "nobody in the sample meets it"),
    "covered_by": ("It never decides", "whomever it refuses is refused already by"),
    "covers": ("It makes another idle", "whomever that rule refuses is refused already by this one:"),
    "leaves_nobody": ("It leaves nobody", "with the other rules nobody is eligible any more for"),
}


def shown(
    use: Use,
    tree: Tree,
    tests: list[dict[str, Any]],
    form: ScopedForm,
    *,
    key: str,
    before: Mapping[str, Any],
    now: datetime,
) -> dict[str, Any]:
    """The editor's context: the condition as fields, its faults, and what can be said of it once it has none."""
    context: dict[str, Any] = {
        "joiners": condition_form.JOINERS,
        "attributes": condition_form.attribute_choices(use),
        "tests": [_test_row(place, test) for place, test in enumerate(tests)],
        "expectations": EXPECTATIONS,
        "is_rule": use == "rule",
    }
    try:
        parse(tree, use=use)
        when = requirement({**typed(form), "when": tree}) if use == "rule" else parse(tree, use=use)
    except InvalidCondition as refused:
        faults = refused.faults
        return {**context, "tree": condition_form.node(tree, faults), "faults": [fault.message for fault in faults]}
    return {
        **context,
        "tree": condition_form.node(tree),
        "sentence": sentence(when),
        "used": used(when),
        "tested": [tested_row(test) for test in golden.run(when, tests)],
        **_effect(use, when, form, key=key, before=before, now=now),
    }


def typed(form: ScopedForm) -> dict[str, Any]:
    """The jurisdiction as it is typed, as far as it is one."""
    if "states" not in form.fields:
        return {}
    states, country = form["states"].value() or "", form["country"].value() or ""
    known = [part for part in str(states).upper().replace(",", " ").split() if len(part) == 2]
    where = {**({"states": known} if known else {}), **({"country": country.upper()} if len(country) == 2 else {})}
    return {"jurisdiction": where or None}


def _test_row(place: int, test: Mapping[str, Any]) -> dict[str, Any]:
    return {**test, "place": place, "customer": customer_text(test["customer"])}


def tested_row(test: Tested) -> dict[str, Any]:
    """One golden test in words; as it was typed, with its faults, where nobody can be this customer."""
    known = customer_text(test.customer) if test.faults else _customer_words(test.customer)
    return {
        "name": test.name, "expect": test.expect, "answer": test.answer, "passed": test.passed, "words": known,
        "faults": [fault.message for fault in test.faults],
    }  # fmt: skip


def _customer_words(customer: Mapping[str, Any]) -> str:
    return ", ".join(_known_words(name, value) for name, value in customer.items())


def _known_words(name: str, value: Any) -> str:
    declared = attribute(name)
    return f"{declared.meaning} {measured(value, declared.unit)}"


def used(when: Condition) -> list[dict[str, Any]]:
    """What the condition reads, and what one should know of it: purpose, freshness, strength as a proxy, and that of
    each clause on it."""
    now, live = timezone.now(), engine()
    bands = thresholds.bands_in_force(live.plan.release if live else {}, now.date())
    strengths, read = proxies.strongest(bands), dict(clauses(when))
    told = proxies.strongest_clauses(read, now, bands) if strengths else {}
    texts = dict(zip(read, _clause_texts(when), strict=True))
    return [
        {
            **_about(attribute(name), strengths),
            "clauses": [(texts[path], told[path]) for path in read if path in told and read[path].attribute == name],
        }
        for name in sorted(attributes_of(when))
    ]


def _about(declared: Attribute, strengths: Mapping[str, proxies.Strength]) -> dict[str, Any]:
    strength = strengths.get(declared.name)
    return {
        "label": declared.meaning,
        "source": ORIGINS[declared.source],
        "freshness": f"good for {ago(GROUPS[declared.group].freshness_seconds)}",
        "purpose": PURPOSES[declared.purpose],
        "warning": WARNINGS.get(declared.basis_class, ""),
        "proxy": strength,
    }


def _effect(
    use: Use, when: Condition, form: ScopedForm, *, key: str, before: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    among = sample(now)
    found = rule_reach.reach(when, among)
    live = _live(use, before, among)
    lines = {path: line for (path, _), line in zip(clauses(when), _clause_texts(when), strict=True)}
    return {
        "reach": {
            "population": among.population,
            "sample": 0 if among.is_everybody else among.size,
            "eligible": among.scaled(found.eligible),
            "margin": among.margin(found.eligible),
            "missing": among.scaled(found.missing),
            "change": None if live is None else among.scaled(found.eligible) - among.scaled(live),
            "clauses": [
                {"text": lines[one.path], "refuses": among.scaled(one.refuses), "alone": among.scaled(one.alone)}
                for one in found.clauses
            ],
        },
        "findings": _findings(when, form, key, among) if use == "rule" else [],
        "boosted": _boosted(form, key) if use == "boost" else None,
    }


def _clause_texts(when: Condition) -> list[str]:
    """The text of each clause, in the order of the tree."""
    return [clause_lines(clause)[0].text for _, clause in clauses(when)]


def _live(use: Use, before: Mapping[str, Any], among: Sample) -> int | None:
    """How many of the sample the live version reaches; None where there is none, or its register was another."""
    if not before:
        return None
    try:
        when = requirement(before) if use == "rule" else parse(before["when"], use=use)
    except InvalidCondition:
        return None
    return rule_reach.reach(when, among).eligible


def _findings(when: Condition, form: ScopedForm, key: str, among: Sample) -> list[dict[str, str]]:
    live = engine()
    if live is None:
        return []
    release = live.plan.release
    scope, target = _scope(form, release)
    rule = Rule(key, key, scope, target, when, "PROPOSED", "")
    return [_finding(found, release) for found in rule_reach.findings(rule, release, among)]


def findings_of(key: str, content: Mapping[str, Any]) -> list[dict[str, str]]:
    """How a proposed rule stands to the other rules of the live release."""
    live, among = engine(), sample(timezone.now())
    if live is None:
        return []
    release = live.plan.release
    rule = Rule(key, key, content["scope"], content["target"], requirement(content), content["reason_code"], "")
    return [_finding(found, release) for found in rule_reach.findings(rule, release, among)]


def _scope(form: ScopedForm, release: Release) -> tuple[Scope, str]:
    """What the rule covers as it is typed; everything while that is not said yet."""
    scope, target = form["scope"].value(), form["target"].value() or ""
    products = {offer.product for offer in release.offers.values()}
    if scope == "offer" and target in release.offers:
        return "offer", target
    return ("product", target) if scope == "product" and target in products else ("all", "")


def _finding(found: Finding, release: Release) -> dict[str, str]:
    title, text = _FINDINGS[found.relation]
    if found.other:
        return {"title": title, "text": text, "name": release.rules[found.other].title,
                "href": reverse("rule", args=[found.other])}  # fmt: skip
    if found.offer:
        return {"title": title, "text": text, "name": release.offers[found.offer].name,
                "href": reverse("offer", args=[found.offer])}  # fmt: skip
    return {"title": title, "text": text, "name": "", "href": ""}


def _boosted(form: ScopedForm, key: str) -> dict[str, float | None] | None:
    """By how much the boosts on one offer may multiply together with this one, and the cap of the release."""
    live = engine()
    try:
        factor = float(form["factor"].value() or 1)
    except (TypeError, ValueError):
        return None
    if live is None:
        return None
    release, most = live.plan.release, factor
    scope, target = _scope(form, release)
    proposed = Rule(key, key, scope, target, parse(condition_form.START), "", "")
    for offer in release.offers:
        if release.covers(proposed, offer):
            product = factor
            for boost in release.boosts.values():
                if boost.key != key and boost.factor > 1 and release.covers(boost, offer):
                    product *= boost.factor
            most = max(most, product)
    return {"most": most, "cap": release.ranking.boost_cap}


def tried(external_id: str, when: Condition, *, reader: str, now: datetime) -> dict[str, Any]:
    """The rule on one customer as a decision would read her now; the reading is audited."""
    try:
        seen = profile.read(profile.find(external_id), reader=reader, now=now)
    except UnknownCustomer:
        return {"customer": external_id, "unknown": True}
    outcome = explain(when, seen.served)
    return {
        "customer": external_id,
        "answer": "data_missing" if outcome.passed is None else "eligible" if outcome.passed else "refused",
        "clauses": [
            {
                "text": _known_words(result.attribute, result.value),
                "passed": result.passed == result.wanted if result.passed is not None else None,
                "needs": would_pass_if(result) if result.passed is not result.wanted else "",
            }
            for result in outcome.clauses
        ],
    }
