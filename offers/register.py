"""The register of every attribute that a rule, model or arm may use, and of those refused by law; never their values.

One declaration an attribute: its type, meaning, unit, feature group, legal purpose, basis class, source and permitted
uses. `decisioning.features` implements exactly these names. A name that is missing here cannot leave a draft.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

AttributeType = Literal["number", "integer", "boolean", "category", "set"]
Unit = Literal["points", "ratio", "currency", "count", "months", "days", "seconds", "score", "none"]
Purpose = Literal["account_servicing", "marketing_own_data", "prescreen_firm_offer", "legal_requirement"]
BasisClass = Literal["ok", "close_proxy", "age_special", "prohibited"]
Source = Literal["own_txn", "application", "consumer_report", "prescreen", "affiliate", "third_party", "session"]
Use = Literal["rule", "model", "arm", "boost", "shield"]
Value = bool | int | float | str | frozenset[str]

Tier = Literal["real_time", "near_real_time", "batch"]
Level = Literal["basic", "moderate", "advanced"]

MINUTE, HOUR, DAY = 60, 3_600, 86_400

# A number is computed, stored and compared at this resolution, so that a value is the same wherever it is kept.
RESOLUTION: Mapping[Unit, float] = MappingProxyType(
    {"points": 1, "ratio": 1e-4, "currency": 0.01, "count": 1, "months": 1, "days": 1, "seconds": 0.1, "score": 1e-4}
)

# The latency that a tier promises: from an event, or from the end of its period, to the next decision that uses it.
PROMISE_SECONDS: Mapping[Tier, int] = MappingProxyType({"real_time": 1, "near_real_time": 15 * MINUTE, "batch": DAY})

LEVELS: tuple[Level, ...] = ("basic", "moderate", "advanced")  # of personalisation; each includes the lower ones


@dataclass(frozen=True, slots=True)
class Group:
    """A feature group: values that are computed, stored and go stale together.

    `when_stale` says what is served once a value is older than `freshness_seconds`: `last` keeps the last value and
    marks the decision, `default` serves the attribute's default, `missing` serves nothing, so that no rule passes.
    `when_missing` says the same of a customer of whom the group was never known. `level` is the personalisation that a
    customer must have granted before the group is read at all. `version` rises with every change of what an attribute
    of the group means: a model trained on another version is not served.
    """

    name: str
    meaning: str
    owner: str
    tier: Tier
    freshness_seconds: int
    when_stale: Literal["last", "default", "missing"]
    when_missing: Literal["default", "missing"]
    level: Level
    version: int
    entity: Literal["customer", "session"] = "customer"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute that may be used, and what it may be used for.

    The use "shield" lets a mandate keep an arm's learning away from whoever holds a boolean attribute.

    `meaning` is a noun phrase that reads on in a sentence ("credit score" is at least 680). `statements` are the
    sentences for a boolean, when true and when false. `bounds` are the plausible values of a number, both included.
    `choices` is empty for a category with an open vocabulary. `default` is None where nothing may be assumed.
    `jurisdictions` are the countries whose law the attribute's use rests on; empty where it rests on no country's.
    """

    name: str
    type: AttributeType
    meaning: str
    unit: Unit
    group: str
    purpose: Purpose
    basis_class: BasisClass
    source: Source
    uses: frozenset[Use]
    choices: tuple[str, ...] = ()
    bounds: tuple[float, float] | None = None
    statements: tuple[str, str] | None = None
    default: Value | None = None
    jurisdictions: frozenset[str] = frozenset()

    @property
    def consent(self) -> Level:
        """The personalisation that a customer must have granted before the attribute is read at all."""
        return GROUPS[self.group].level


@dataclass(frozen=True, slots=True)
class OfferFact:
    """A fact of the offer itself that a model may use beside the customer's attributes; no rule may. Facts owned by
    risk are set by risk alone; see offers.terms."""

    name: str
    type: AttributeType
    meaning: str
    unit: Unit
    owner: Literal["risk", "marketing"]


@dataclass(frozen=True, slots=True)
class Protected:
    """A characteristic that no rule, model, arm or boost may use, with the law that says so."""

    name: str
    citation: str
    aliases: tuple[str, ...] = ()


class ProtectedAttribute(LookupError):
    """The name stands for a protected characteristic; `citation` is the law."""

    def __init__(self, name: str, citation: str) -> None:
        super().__init__(f"{name} is a protected characteristic and may not be used: {citation}")
        self.name = name
        self.citation = citation


class UnknownAttribute(LookupError):
    """The register does not hold the name; `near` are the registered names closest to it."""

    def __init__(self, name: str, near: tuple[str, ...]) -> None:
        hint = f", did you mean {' or '.join(near)}?" if near else ""
        super().__init__(f"{name} is not in the register{hint}")
        self.name = name
        self.near = near


def attribute(name: str) -> Attribute:
    """Return the declaration of `name`; raise ProtectedAttribute or UnknownAttribute."""
    found = ATTRIBUTES.get(name)
    if found is not None:
        return found
    refuse_protected(name)
    raise UnknownAttribute(name, tuple(difflib.get_close_matches(name.lower(), ATTRIBUTES, n=3)))


def refuse_protected(name: str, *, age_allowed: bool = False) -> None:
    """Raise ProtectedAttribute where a name, as a bank's export may spell it, stands for a protected characteristic;
    `age_allowed` spares age, which a few legal flags may be taken from."""
    refused = _protected(name)
    if refused is not None and not (age_allowed and refused.citation == _AGE):
        raise ProtectedAttribute(name, refused.citation)


def attributes(*, use: Use | None = None, group: str | None = None) -> tuple[Attribute, ...]:
    """Return the declarations, in the register's order, that allow `use` and belong to `group`."""
    return tuple(
        declared
        for declared in ATTRIBUTES.values()
        if (use is None or use in declared.uses) and (group is None or group == declared.group)
    )


def _protected(name: str) -> Protected | None:
    """Find the protected characteristic behind a name as a bank's export may spell it ("Customer Gender")."""
    words = name.strip().lower().replace("-", "_").replace(" ", "_").split("_")
    if len(words) > 1 and words[0] in ("customer", "applicant", "client", "cardholder"):
        words = words[1:]
    return _PROTECTED_SPELLINGS.get("_".join(words))


GROUPS: Mapping[str, Group] = MappingProxyType(
    {
        group.name: group
        for group in (
            # Eligibility stands on credit risk: past its limit nothing is assumed and no rule on it passes.
            Group("credit_risk", "credit risk", "Credit risk", "batch", 35 * DAY, "missing", "missing", "basic", 1),
            Group("account_state", "state of the accounts", "Deposits and cards", "real_time", DAY, "last", "missing",
                  "basic", 1),
            Group("recent_activity", "recent activity", "Customer service", "near_real_time", DAY, "default", "default",
                  "basic", 1),
            Group("spend_behaviour", "spending behaviour", "Customer analytics", "batch", 2 * DAY, "last", "missing",
                  "moderate", 1),
            Group("product_affinity", "affinity to kinds of card", "Customer analytics", "batch", 7 * DAY, "default",
                  "default", "moderate", 1),
            Group("lifecycle", "relationship with the bank", "Customer analytics", "batch", 7 * DAY, "last", "missing",
                  "basic", 1),
            Group("text_interest", "interests from posts", "Customer analytics", "batch", 30 * DAY, "default",
                  "default", "advanced", 1),
            Group("session_context", "this session", "Digital channels", "real_time", 30 * MINUTE, "default", "default",
                  "basic", 1, "session"),
        )
    }
)  # fmt: skip

SESSION_GROUP = "session_context"  # the group that belongs to a moment and not to a customer

ANY_USE: frozenset[Use] = frozenset({"rule", "model", "arm", "boost"})
RULE_ONLY: frozenset[Use] = frozenset({"rule"})
# Whoever holds it is never explored on, where a mandate says so; see offers.types.Mandate. It moves no score by itself.
RULE_AND_SHIELD: frozenset[Use] = frozenset({"rule", "shield"})
ANY_USE_AND_SHIELD: frozenset[Use] = ANY_USE | RULE_AND_SHIELD
# A close proxy as context of an arm or a boost is treatment by the protected characteristic behind it.
RULE_AND_MODEL: frozenset[Use] = frozenset({"rule", "model"})

_STATE_CODES = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA "
    "RI SC SD TN TX UT VT VA WA WV WI WY DC AS GU MP PR VI"
)
STATES = tuple(_STATE_CODES.split())
AMERICAN = frozenset({"US"})


def _own(
    group: str,
    name: str,
    type_: AttributeType,
    meaning: str,
    unit: Unit = "none",
    bounds: tuple[float, float] | None = None,
    *,
    basis_class: BasisClass = "ok",
    source: Source = "own_txn",
    purpose: Purpose = "marketing_own_data",
    uses: frozenset[Use] = ANY_USE,
    choices: tuple[str, ...] = (),
    statements: tuple[str, str] | None = None,
    default: Value | None = None,
    jurisdictions: frozenset[str] = frozenset(),
) -> Attribute:
    """Declare an attribute from the bank's own records, which is what most are."""
    return Attribute(
        name, type_, meaning, unit, group, purpose, basis_class, source, uses, choices, bounds, statements, default,
        jurisdictions,
    )  # fmt: skip


def _report(
    name: str,
    type_: AttributeType,
    meaning: str,
    unit: Unit = "none",
    bounds: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
    statements: tuple[str, str] | None = None,
    source: Source = "consumer_report",
) -> Attribute:
    """Declare a credit risk attribute from a consumer report: usable for a firm offer only (15 USC 1681b(c))."""
    return _own(
        "credit_risk", name, type_, meaning, unit, bounds,
        source=source, purpose="prescreen_firm_offer", choices=choices, statements=statements,
    )  # fmt: skip


def _session(
    name: str,
    type_: AttributeType,
    meaning: str,
    unit: Unit = "none",
    bounds: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
    default: Value | None = None,
) -> Attribute:
    """Declare an attribute of the running session, as the channel sends it."""
    return _own(
        "session_context", name, type_, meaning, unit, bounds, source="session", choices=choices, default=default
    )


CARD_KINDS: Mapping[str, str] = MappingProxyType(
    {"travel": "travel", "cashback": "cashback", "balance_transfer": "balance transfer", "student": "student",
     "premium": "premium", "secured": "secured", "retail": "retail", "business": "business"}
)  # fmt: skip

_MONEY = (-1e9, 1e9)
_SPEND = (0.0, 1e9)
_SHARE = (0.0, 1.0)
_TIMES_LIMIT = (0.0, 5.0)

_DECLARED = (
    _report("credit_score", "number", "credit score", "points", (300, 850)),
    _report("credit_score_band", "category", "credit score band",
            choices=("below_580", "580_669", "670_739", "740_799", "800_up")),
    _own("credit_risk", "debt_to_income", "number", "debt to income", "ratio", _TIMES_LIMIT, source="application"),
    _report("credit_rating", "category", "credit rating", choices=("low", "medium", "high")),
    _own("credit_risk", "on_time_payment_rate_12m", "number", "on-time payment rate over 12 months", "ratio", _SHARE),
    # A trigger that a bureau sells: prescreening by its nature.
    _report("competitor_inquiry_30d", "boolean", "inquiry of another lender in the last 30 days", source="prescreen",
            statements=("another lender inquired in the last 30 days", "no other lender inquired in the last 30 days")),
    # What is computed from a consumer report is one in law.
    _report("risk_points", "integer", "financial risk points", "points", (0, 100)),
    _report("risk_profile", "category", "financial risk profile", choices=("low", "moderate", "elevated", "high")),

    # Where a card may be sold is a matter of licences and law; where a customer lives also tells of origin.
    _own("account_state", "state", "category", "state of residence", basis_class="close_proxy", source="application",
         purpose="legal_requirement", uses=RULE_ONLY, choices=STATES, jurisdictions=AMERICAN),
    _own("account_state", "country", "category", "country of residence", source="application",
         purpose="legal_requirement", uses=RULE_ONLY),
    # 12 CFR 1026.51(b): under 21, a card needs independent means. The birth date stays in the vault.
    _own("account_state", "is_21_or_over", "boolean", "age 21 or over", basis_class="age_special", source="application",
         purpose="legal_requirement", uses=RULE_ONLY, jurisdictions=AMERICAN,
         statements=("the customer is 21 or over", "the customer is under 21")),
    _own("account_state", "cards_held", "set", "cards held", purpose="account_servicing"),
    _own("account_state", "cards_held_count", "integer", "number of cards held", "count", (0, 100)),
    _own("account_state", "accounts_open", "integer", "number of open accounts", "count", (0, 100)),
    _own("account_state", "overdraft_protection", "boolean", "overdraft protection",
         statements=("the customer has overdraft protection", "the customer has no overdraft protection")),
    _own("account_state", "homes_owned", "integer", "number of homes owned", "count", (0, 100), source="application"),
    _own("account_state", "owns_home", "boolean", "home ownership", source="application",
         statements=("the customer owns a home", "the customer does not own a home")),
    # Tells of marriage and children (12 CFR 1002.5(d)).
    _own("account_state", "household_size", "integer", "household size", "count", (1, 30), basis_class="close_proxy",
         source="application", uses=RULE_AND_MODEL),
    _own("account_state", "balance", "number", "balance", "currency", _MONEY),
    _own("account_state", "average_balance", "number", "average balance", "currency", _MONEY),
    *(_own("account_state", f"balance_q{quarter}", "number", f"balance in quarter {quarter}", "currency", _MONEY)
      for quarter in (1, 2, 3, 4)),
    _own("account_state", "utilisation", "number", "credit utilisation now", "ratio", _TIMES_LIMIT),
    _own("account_state", "days_since_last_payment", "integer", "time since the last payment", "days", (0, 36_500)),
    _own("account_state", "large_purchase_7d", "boolean", "large purchase in the last 7 days",
         statements=("the customer made a large purchase in the last 7 days",
                     "the customer made no large purchase in the last 7 days")),
    _own("account_state", "salary_change", "number", "change of salary against the months before", "ratio", (-1, 10)),
    _own("account_state", "salary_changed_90d", "boolean", "salary change in the last 90 days",
         statements=("the salary changed in the last 90 days", "the salary did not change in the last 90 days")),
    _own("account_state", "balance_trend_90d", "number", "monthly balance trend over 90 days", "currency", _MONEY),
    _own("account_state", "cash_flow_shortfall_30d", "boolean", "cash-flow shortfall in the next 30 days",
         uses=ANY_USE_AND_SHIELD,
         statements=("the balance is expected to fall below zero in the next 30 days",
                     "the balance is not expected to fall below zero in the next 30 days")),
    # Known so that somebody in difficulty is left in peace, never so that she is picked out.
    _own("account_state", "payment_hardship", "boolean", "payment hardship", purpose="account_servicing",
         uses=RULE_AND_SHIELD,
         statements=("the customer has told the bank of payment hardship",
                     "the customer has told the bank of no payment hardship")),
    _own("account_state", "new_mortgage_180d", "boolean", "new mortgage in the last 180 days",
         statements=("the customer took a mortgage in the last 180 days",
                     "the customer took no mortgage in the last 180 days")),
    # Tells of children (12 CFR 1002.5(d)(3)): a rule of service may use it, no score may.
    _own("account_state", "first_child_180d", "boolean", "first child in the last 180 days", basis_class="close_proxy",
         purpose="account_servicing", uses=RULE_ONLY,
         statements=("the bank was told of a first child in the last 180 days",
                     "the bank was told of no first child in the last 180 days")),

    _own("recent_activity", "transactions_24h", "integer", "number of transactions in the last 24 hours", "count",
         (0, 10_000), default=0),
    _own("recent_activity", "spend_24h", "number", "spend in the last 24 hours", "currency", _SPEND, default=0.0),
    _own("recent_activity", "declined_transaction_30d", "boolean", "declined transaction in the last 30 days",
         statements=("a transaction was declined in the last 30 days",
                     "no transaction was declined in the last 30 days"), default=False),
    _own("recent_activity", "service_calls_7d", "integer", "number of service calls in the last 7 days", "count",
         (0, 1_000), default=0),
    _own("recent_activity", "complaint_30d", "boolean", "complaint in the last 30 days", uses=ANY_USE_AND_SHIELD,
         statements=("the customer complained in the last 30 days",
                     "the customer did not complain in the last 30 days"), default=False),
    _own("recent_activity", "alerts_acknowledged_7d", "integer", "number of alerts acknowledged in the last 7 days",
         "count", (0, 1_000), default=0),
    _own("recent_activity", "experiments", "set", "experiments with their variants", default=frozenset()),

    _own("spend_behaviour", "utilisation_90d", "number", "average credit utilisation over 90 days", "ratio",
         _TIMES_LIMIT),
    _own("spend_behaviour", "spend_90d", "number", "spend over 90 days", "currency", _SPEND),
    *(_own("spend_behaviour", f"spend_share_{kind}", "number", f"share of spend on {label} over 90 days", "ratio",
           _SHARE)
      for kind, label in (("travel", "travel"), ("groceries", "groceries"), ("dining", "dining"), ("fuel", "fuel"),
                          ("online", "online purchases"))),
    _own("spend_behaviour", "transactions_30d", "integer", "number of transactions in the last 30 days", "count",
         (0, 100_000)),
    _own("spend_behaviour", "income_estimate_monthly", "number", "monthly income estimated from transactions",
         "currency", _SPEND),
    _own("spend_behaviour", "income_band", "category", "monthly income band estimated from transactions",
         choices=("below_2000", "2000_3999", "4000_6999", "7000_up")),
    _own("spend_behaviour", "spend_30d", "number", "spend over 30 days", "currency", _SPEND),
    _own("spend_behaviour", "revolving", "boolean", "revolving balance",
         statements=("the customer carries a revolving balance", "the customer carries no revolving balance")),

    _own("lifecycle", "tenure_months", "integer", "time with the bank", "months", (0, 1_200)),
    _own("lifecycle", "lifecycle_stage", "category", "lifecycle stage",
         choices=("new", "developing", "mature", "at_risk", "churning")),
    _own("lifecycle", "churn_risk", "number", "churn risk", "score", _SHARE),
    # Holds back marketing and says nothing of the customer: so no score, arm or boost may use it.
    _own("lifecycle", "unusual_activity", "boolean", "unusual activity", uses=RULE_AND_SHIELD,
         statements=("the customer's activity is unusual", "the customer's activity is not unusual")),
    _own("lifecycle", "branch_visits_90d", "integer", "number of branch visits in the last 90 days", "count",
         (0, 1_000)),
    _own("lifecycle", "commute_zone", "category", "commute zone", basis_class="close_proxy", uses=RULE_AND_MODEL,
         choices=("metro", "suburban", "rural", "islands")),

    *(_own("product_affinity", f"affinity_{kind}", "number", f"affinity to {label} cards", "score", _SHARE, default=0.0)
      for kind, label in CARD_KINDS.items()),

    _own("text_interest", "text_posts_90d", "integer", "number of consented posts in the last 90 days", "count",
         (0, 10_000), default=0),
    _own("text_interest", "text_sentiment", "number", "sentiment of consented posts", "score", (-1.0, 1.0),
         default=0.0),
    *(_own("text_interest", f"text_interest_{kind}", "number", f"interest of consented posts in {label} cards", "score",
           (-1.0, 1.0), default=0.0)
      for kind, label in CARD_KINDS.items()),

    _session("entry_point", "category", "entry point of the session",
             choices=("push", "search", "email", "organic", "ad", "branch", "call", "other")),
    _session("device_type", "category", "device",
             choices=("app", "mobile", "desktop", "tablet", "phone", "terminal", "other")),
    _session("cards_viewed", "set", "cards viewed", default=frozenset()),
    _session("cards_viewed_count", "integer", "number of cards viewed", "count", (0, 10_000), default=0),
    _session("pages_viewed_count", "integer", "number of pages viewed", "count", (0, 10_000), default=0),
    _session("seconds_on_cards_page", "number", "time on the cards page", "seconds", (0, 86_400), default=0),
    _session("session_risk_score", "number", "risk score of the session", "score", _SHARE),
    _session("transaction_amount", "number", "amount of the current transaction", "currency", _MONEY),
    _session("transaction_mcc", "category", "merchant category code of the current transaction"),
    _session("transaction_channel", "category", "channel of the current transaction"),
)  # fmt: skip

ATTRIBUTES: Mapping[str, Attribute] = MappingProxyType({declared.name: declared for declared in _DECLARED})

OFFER_FACTS: Mapping[str, OfferFact] = MappingProxyType(
    {
        fact.name: fact
        for fact in (
            OfferFact("rate", "number", "annual percentage rate", "ratio", "risk"),
            OfferFact("fee", "number", "annual fee", "currency", "marketing"),
            OfferFact("limit", "number", "credit limit", "currency", "risk"),
            OfferFact("bonus", "number", "welcome bonus", "currency", "marketing"),
            OfferFact("value", "number", "value of an acceptance to the bank", "currency", "marketing"),
            OfferFact("benefit_rank", "integer", "rank of benefit within the family, 1 is best", "count", "marketing"),
            OfferFact("family", "category", "offer family", "none", "marketing"),
            OfferFact("reward", "category", "reward", "none", "marketing"),
            OfferFact("mailer", "category", "mailer", "none", "marketing"),
            OfferFact("intro_months", "integer", "length of the introductory rate", "months", "risk"),
        )
    }
)

_ECOA = "ECOA 15 USC 1691(a)(1); Regulation B 12 CFR 1002.2(z)"
_ASSISTANCE = "ECOA 15 USC 1691(a)(2); Regulation B 12 CFR 1002.2(z)"
_RIGHTS = "ECOA 15 USC 1691(a)(3); Regulation B 12 CFR 1002.2(z)"
_ORIGIN = "stands for national origin: ECOA 15 USC 1691(a)(1); Regulation B 12 CFR 1002.2(z)"
_AGE = "ECOA 15 USC 1691(a)(1); Regulation B 12 CFR 1002.6(b)(2)"
_FAMILY = "Regulation B 12 CFR 1002.5(d)(3), 1002.6(b)(3)"
_SPECIAL = "special category of personal data: GDPR Article 9(1)"

PROTECTED: tuple[Protected, ...] = (
    Protected("gender", _ECOA, ("gender_code", "title", "salutation")),
    Protected("sex", _ECOA, ("is_male", "is_female")),
    Protected("gender_identity", "New Jersey Law Against Discrimination, N.J.S.A. 10:5-12(i)"),
    Protected("sexual_orientation", f"New Jersey Law Against Discrimination, N.J.S.A. 10:5-12(i); {_SPECIAL}"),
    Protected("age", _AGE, ("age_band", "age_group", "age_years", "is_elderly", "is_62_or_over")),
    Protected("birth_date", _AGE, ("birthdate", "birth_day", "birthday", "birth_year", "year_of_birth", "date_of_birth",
                                   "dob")),
    Protected("race", _ECOA),
    Protected("ethnicity", _ECOA, ("ethnic_group", "ethnic_origin")),
    Protected("colour", _ECOA, ("color", "skin_colour", "skin_color")),
    Protected("religion", _ECOA, ("religious_affiliation", "creed")),
    Protected("national_origin", _ECOA, ("country_of_birth", "birth_country", "place_of_birth", "birth_place")),
    Protected("nationality", _ORIGIN, ("citizenship", "immigration_status", "visa_status")),
    Protected("language", _ORIGIN, ("preferred_language", "language_preference", "spoken_language", "locale")),
    Protected("marital_status", _ECOA, ("married", "is_married", "spouse", "spouse_name", "civil_status")),
    Protected("number_of_children", _FAMILY, ("children", "dependants", "dependents", "pregnancy", "is_pregnant")),
    Protected("public_assistance_income", _ASSISTANCE, ("public_assistance", "benefits_income", "welfare_income",
                                                        "receives_benefits")),
    Protected("credit_rights_exercised", _RIGHTS, ("dispute_count", "disputes", "chargeback_count", "chargebacks")),
    Protected("disability", f"Americans with Disabilities Act 42 USC 12182; {_SPECIAL}", ("is_disabled", "disabled")),
    Protected("health", _SPECIAL, ("health_status", "medical_condition")),
    Protected("political_opinion", _SPECIAL, ("political_party",)),
    Protected("trade_union_membership", _SPECIAL),
    Protected("vulnerability", "12 USC 5531(d)(2); FCA Finalised Guidance FG21/1", ("is_vulnerable", "vulnerable",
                                                                                    "vulnerability_flag")),
)  # fmt: skip

_PROTECTED_SPELLINGS = {spelling: entry for entry in PROTECTED for spelling in (entry.name, *entry.aliases)}
