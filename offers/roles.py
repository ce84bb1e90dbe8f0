"""Who may do what: one table, read by the domain, the pages and the tests; no user is named here."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import AnonymousUser, User

MARKETING_AUTHOR, MARKETING_LEAD = "marketing_author", "marketing_lead"
RISK_AUTHOR, RISK_APPROVER = "risk_author", "risk_approver"
COMPLIANCE, MODEL_RISK, AUDITOR, OPERATOR = "compliance", "model_risk", "auditor", "operator"
ROLES = {
    MARKETING_AUTHOR: "Marketing author",
    MARKETING_LEAD: "Marketing lead",
    RISK_AUTHOR: "Risk author",
    RISK_APPROVER: "Risk approver",
    COMPLIANCE: "Compliance officer",
    MODEL_RISK: "Model risk manager",
    AUDITOR: "Auditor",
    OPERATOR: "Operator",
}

Person = User | AnonymousUser

# A lead or an approver may also write, as long as somebody else checks; an author may only write.
_MARKETING = frozenset({MARKETING_AUTHOR, MARKETING_LEAD})
_RISK = frozenset({RISK_AUTHOR, RISK_APPROVER})
_SECOND_LINE = _RISK | {COMPLIANCE, MODEL_RISK, AUDITOR}
_EVERYBODY = frozenset(ROLES)
_CATALOGUE = ("product", "offer", "creative", "arm", "boost", "placement")

# Action: the roles that may take it. `propose:<kind>` and `approve:<kind>` cover change requests of that kind.
PERMISSIONS: dict[str, frozenset[str]] = {
    **{f"propose:{kind}": _MARKETING for kind in _CATALOGUE},
    # Facts of an offer that risk owns, such as its rate; see offers.register.OFFER_FACTS.
    "propose:terms": _RISK,
    **{f"propose:{kind}": _RISK for kind in ("rule", "ranking")},
    "propose:model": _RISK | {MODEL_RISK},
    "propose:contact_policy": frozenset({MARKETING_LEAD}) | _RISK,
    "propose:catalogue": _MARKETING | _RISK,  # and of each kind in it
    "propose:rollback": frozenset({MARKETING_LEAD, RISK_APPROVER, COMPLIANCE, OPERATOR}),
    **{f"approve:{kind}": frozenset({RISK_APPROVER}) for kind in ("product", "offer", "boost", "placement")},
    **{f"approve:{kind}": frozenset({MARKETING_LEAD, RISK_APPROVER}) for kind in ("creative", "arm")},
    **{f"approve:{kind}": frozenset({RISK_APPROVER}) for kind in ("rule", "contact_policy", "ranking")},
    "approve:model": frozenset({MODEL_RISK, COMPLIANCE}),
    # Policy packs hold what the law asks for, and the lines and monitors of the audits.
    "propose:pack": frozenset({COMPLIANCE}),
    "approve:pack": frozenset({COMPLIANCE}),
    "approve:catalogue": frozenset({RISK_APPROVER}),
    "approve:rollback": frozenset({RISK_APPROVER, COMPLIANCE}),
    "justify": frozenset({COMPLIANCE}),
    "break_glass": frozenset({RISK_APPROVER, COMPLIANCE}),
    "discuss": _EVERYBODY,
    # Roles are given outside of the lines that propose; and nobody gives one to themselves, see console.accounts.
    "grant": frozenset({COMPLIANCE, OPERATOR}),
    "stop": _RISK | {COMPLIANCE, OPERATOR},
    "resume": frozenset({RISK_APPROVER, COMPLIANCE}),
    # What a firm offer's list is pulled by stands frozen from then on: a restriction, so one person may.
    "pull:list": frozenset({RISK_APPROVER, COMPLIANCE}),
    "hold:records": frozenset({COMPLIANCE}),  # a legal hold; another officer ends it
    # Overrides for one customer: they only restrict, so one person may; a second one ends them.
    "suppress:customer": _RISK | {COMPLIANCE},
    "lift:suppression": frozenset({RISK_APPROVER, COMPLIANCE}),
    "see:offers": _EVERYBODY,
    "see:rules": _EVERYBODY,
    "see:arms": _EVERYBODY,
    "see:reviews": _EVERYBODY,
    "see:releases": _EVERYBODY,
    "see:stops": _EVERYBODY,
    "see:reach": _EVERYBODY,
    "see:roles": _EVERYBODY,
    "see:health": _EVERYBODY,
    "see:features": _EVERYBODY,
    "see:decisions": _SECOND_LINE,
    "replay": _SECOND_LINE,
    "see:fairness": _SECOND_LINE,
    "see:audit": _SECOND_LINE,
    "see:findings": _SECOND_LINE,
    "work:findings": _RISK | {COMPLIANCE, MODEL_RISK},  # cause, remediation, due date
    "close:findings": frozenset({COMPLIANCE}),
    "see:models": _SECOND_LINE,
    "document:models": _RISK | {MODEL_RISK},
    "validate:models": frozenset({MODEL_RISK}),  # of models that somebody else developed
    "search:alternatives": _RISK | {COMPLIANCE, MODEL_RISK},
    "sign:alternatives": frozenset({COMPLIANCE}),
    "see:individuals": frozenset({COMPLIANCE, MODEL_RISK, AUDITOR}),
    "see:requests": _RISK | {COMPLIANCE, AUDITOR},
    "work:requests": frozenset({RISK_APPROVER, COMPLIANCE}),
    "export:evidence": frozenset({COMPLIANCE, MODEL_RISK, AUDITOR}),
    "see:customers": _RISK | {COMPLIANCE, AUDITOR},
    "see:quality": _SECOND_LINE | {OPERATOR},
    "see:dead_letters": _RISK | {COMPLIANCE, AUDITOR, OPERATOR},
    # Compliance checks what became of the bank's data, and so does not put it in itself.
    "replay:dead_letters": _RISK | {OPERATOR},
}
# Roles that nobody holds together: who audits does nothing that is audited, who validates models develops none. The
# database holds the same pairs (offers/migrations/0010_roles_apart.py).
APART: frozenset[frozenset[str]] = frozenset(
    {frozenset({AUDITOR, other}) for other in _EVERYBODY - {AUDITOR}}
    | {frozenset({MODEL_RISK, developer}) for developer in _RISK}
)
# Why an action is kept from the others, where the title of the role does not say it; a refusal gives it.
REASONS: dict[str, str] = {
    **dict.fromkeys(
        ("see:customers", "see:quality", "see:dead_letters"),
        "it shows single customers, whom marketing needs only as counts (data minimisation, GDPR Article 5(1)(c))",
    ),
    "replay:dead_letters": "compliance checks what is taken in and so does not take it in itself",
    "propose:terms": "rate and limit of a card are risk's, and marketing takes over terms that were approved",
}


class NotAllowed(PermissionError):
    """The person's roles do not include one that may take the action."""

    def __init__(self, person: str, action: str) -> None:
        *most, last = (ROLES[role].lower() for role in sorted(PERMISSIONS[action]))
        wanted = f"{', '.join(most)} or {last}" if most else last
        article = "an" if wanted[0] in "aeiou" else "a"
        reason = f"; {REASONS[action]}" if action in REASONS else ""
        words = action.replace(":", " ").replace("_", " ")
        super().__init__(f"{person} may not {words}: that takes {article} {wanted}{reason}")
        self.action = action


class RolesApart(PermissionError):
    """Nobody holds both of these roles."""

    def __init__(self, person: str, pair: frozenset[str]) -> None:
        one, other = sorted(ROLES[role].lower() for role in pair)
        super().__init__(f"{person} cannot be {one} and {other} at once: take one role back first")


def require_apart(person: str, held: Iterable[str]) -> None:
    """Raises RolesApart where `held` contains two roles that one person may not hold together."""
    for pair in sorted(APART, key=sorted):
        if pair <= set(held):
            raise RolesApart(person, pair)


def roles_of(person: Person) -> frozenset[str]:
    """The roles of an active person; nobody who is not signed in has one."""
    if isinstance(person, AnonymousUser) or not person.is_active:
        return frozenset()
    return frozenset(group.name for group in person.groups.all()) & frozenset(ROLES)


def may(person: Person, action: str) -> bool:
    """Whether one of the person's roles may take the action. Raises KeyError on an action that is not in the table."""
    return bool(PERMISSIONS[action] & roles_of(person))


def require(person: Person, action: str) -> None:
    """Raises NotAllowed where `may` is false."""
    if not may(person, action):
        raise NotAllowed(person.get_username() or "an anonymous visitor", action)
