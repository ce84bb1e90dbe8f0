"""Who may do what: one table, read by the domain, the pages and the tests; no user is named here."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser, User

MARKETER = "marketer"
RISK = "risk_officer"
COMPLIANCE = "compliance"
ROLES = {MARKETER: "Marketer", RISK: "Risk officer", COMPLIANCE: "Compliance officer"}

Person = User | AnonymousUser

# Action: the roles that may take it. `propose:<kind>` and `approve:<kind>` cover change requests of that kind.
_CATALOGUE = ("product", "offer", "creative", "arm", "boost", "placement")
PERMISSIONS: dict[str, frozenset[str]] = {
    **{f"propose:{kind}": frozenset({MARKETER}) for kind in _CATALOGUE},
    **{f"propose:{kind}": frozenset({RISK}) for kind in ("rule", "ranking", "model")},
    "propose:contact_policy": frozenset({MARKETER, RISK}),
    **{f"approve:{kind}": frozenset({RISK}) for kind in (*_CATALOGUE, "rule", "contact_policy", "ranking")},
    "approve:model": frozenset({RISK, COMPLIANCE}),
    "justify": frozenset({COMPLIANCE}),
    "stop": frozenset({RISK, COMPLIANCE}),
    "see:offers": frozenset(ROLES),
    "see:rules": frozenset(ROLES),
    "see:arms": frozenset(ROLES),
    "see:reviews": frozenset(ROLES),
    "see:releases": frozenset(ROLES),
    "see:health": frozenset(ROLES),
    "see:decisions": frozenset({RISK, COMPLIANCE}),
    "replay": frozenset({RISK, COMPLIANCE}),
    "see:fairness": frozenset({RISK, COMPLIANCE}),
    "see:audit": frozenset({RISK, COMPLIANCE}),
    "see:features": frozenset(ROLES),
    "see:customers": frozenset({RISK, COMPLIANCE}),
    "see:quality": frozenset({RISK, COMPLIANCE}),
    "see:dead_letters": frozenset({RISK, COMPLIANCE}),
    # Compliance checks what became of the bank's data, and so does not put it in itself.
    "replay:dead_letters": frozenset({RISK}),
}
# Why an action is kept from the others, where the title of the role does not say it; a refusal gives it.
REASONS: dict[str, str] = {
    **dict.fromkeys(
        ("see:customers", "see:quality", "see:dead_letters"),
        "it shows single customers, whom marketing needs only as counts (data minimisation, GDPR Article 5(1)(c))",
    ),
    "replay:dead_letters": "compliance checks what is taken in and so does not take it in itself",
}


class NotAllowed(PermissionError):
    """The person's roles do not include one that may take the action."""

    def __init__(self, person: str, action: str) -> None:
        wanted = " or ".join(ROLES[role] for role in sorted(PERMISSIONS[action]))
        reason = f"; {REASONS[action]}" if action in REASONS else ""
        words = action.replace(":", " ").replace("_", " ")
        super().__init__(f"{person} may not {words}: that takes a {wanted.lower()}{reason}")
        self.action = action


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
