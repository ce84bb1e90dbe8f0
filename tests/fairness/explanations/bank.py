"""A bank whose model leans on spending and, a little, on the size of a household, which is a close proxy; and decisions
of it, made through the product's own door."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from django.utils import timezone

from decisioning import decision_log, serve
from decisioning.models import Customer, FeatureRow
from decisioning.models import Decision as DecisionRow
from decisioning.propensity.encoding import OfferRow
from decisioning.propensity.scoring import PropensityModel
from decisioning.propensity.training import Example, train
from tests import bank, catalogue

OFFERS: Final = 7
FIRM: Final = {"legal_basis": "firm_offer"}
FLOOR: Final = {"attribute": "credit_score", "op": ">=", "value": 760}
OF_AGE: Final = {"attribute": "is_21_or_over", "op": "is", "value": False}  # nobody of the bank meets it


def model(name: str = "propensity-1", *, proxy: bool = True) -> PropensityModel:
    draw = np.random.default_rng(4)
    row = OfferRow("offer-0", "offer-0", "travel", {"rate": 0.199, "fee": 95.0})
    examples = []
    for number in range(3000):
        travel, score, people = draw.random(), draw.normal(690, 50), int(draw.integers(1, 7))
        known = {
            "spend_share_travel": round(travel, 3), "credit_score": float(round(score)), "household_size": people,
            "utilisation": round(float(draw.random()), 3),
        }  # fmt: skip
        chance = 0.05 + 0.5 * travel + (0.06 * people if proxy else 0.0) + (0.15 if score > 700 else 0.0)
        examples.append(Example(number, known, row, bool(draw.random() < min(0.95, chance)), 1.0))
    return train(name, examples, per_arm=False, seed=2)


def make(customers: int = 3, *, trained: PropensityModel | None = None, title: str = "Voyage Crédit Ěščřž") -> None:
    """Published, warm, with a model; offer-5 asks for a better score, offer-6 for what nobody is."""
    bank.customers(customers)
    for key in Customer.objects.values_list("pk", flat=True):
        rows = FeatureRow.objects.filter(customer_id=key, group="account_state")
        rows.update(values=bank.ATTRIBUTES["account_state"] | {"household_size": 6})
    content = catalogue.content(offers=OFFERS)
    content["offer"]["offer-0"]["title"] = title
    for offer in content["offer"].values():
        offer |= FIRM
    content["rule"] = {
        "floor": catalogue.rule(FLOOR, scope="offer", target="offer-5"),
        "of-age": catalogue.rule(OF_AGE, scope="offer", target="offer-6", reason="AGE"),
        "low-debt": catalogue.rule({"attribute": "debt_to_income", "op": "<=", "value": 0.5}),
    }
    chosen = trained or model()
    bank.store_model(chosen)
    content["model"] = {chosen.name: {"title": "Champion", "sha256": chosen.sha256}}
    bank.publish(content)
    bank.warm()


def decide(customer: str = "C-1", session: str = "s-1", **changes: Any) -> DecisionRow:
    asked: dict[str, Any] = {
        "channel": "mobile_app", "placement": "home_banner", "limit": 2, "context": {"device_type": "app"}, **changes,
    }  # fmt: skip
    answer = serve.ask(serve.Ask(customer, session, **asked), timezone.now())
    assert answer.decision_id is not None
    return decision_log.get(answer.decision_id)


def texts(page: dict[str, Any]) -> list[str]:
    """Every text of a page that a reader sees."""
    found: list[str] = [page["title"]]
    for block in page["blocks"]:
        found += [block["title"], *block["sentences"], *(text for fact in block["facts"] for text in fact)]
        rows: Sequence[Sequence[str]] = block["table"]["rows"] if block["table"] else ()
        found += [*(block["table"]["columns"] if block["table"] else ()), *(text for row in rows for text in row)]
    return found
