"""The wizard's state: what was entered in each step of a new offer, kept in the session, so that neither a reload nor
Back loses it; what may be proposed is decided when it is submitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from django.contrib.sessions.backends.base import SessionBase
from django.forms import Form
from django.http import QueryDict

from console.catalogue import offer_defaults
from console.catalogue.offer_forms import (
    NEW_PRODUCT,
    PRIOR_STRENGTH,
    SAME_TERMS,
    ArmForm,
    ProductStep,
    TextForm,
    WorthStep,
    choose,
    key_of,
    products,
)
from console.forms import ProposalForm
from console.whole_number import whole_number
from console.wording import terms as price
from offers import terms
from offers.models import Offer
from offers.types import CHANNELS

PRODUCT, WORTH, WORDS, CHECK = "product", "worth", "words", "check"
STEPS: Final[Mapping[str, str]] = {
    PRODUCT: "Product and terms",
    WORTH: "Worth, places and dates",
    WORDS: "Words",
    CHECK: "Arms and check",
}
MOST_MESSAGES: Final = 4
_KEPT: Final = 5  # drafts of one session; the oldest goes first
_SESSION: Final = "offer_drafts"


@dataclass
class Draft:
    """`posted` holds the fields of each step as they came, `seen` the steps that were left by a button that judges."""

    key: str
    posted: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    messages: int = 1
    when: str = ""  # a condition as JSON, of the group that the offer is made for
    start_from: str = ""  # before the first step is posted

    @classmethod
    def of(cls, session: SessionBase, key: str) -> Draft:
        """The draft of this key, empty where the session has none."""
        kept = session.get(_SESSION, {}).get(key)
        return cls(key, **kept) if kept else cls(key)

    def keep(self, session: SessionBase) -> None:
        drafts = {key: kept for key, kept in session.get(_SESSION, {}).items() if key != self.key}
        own = {name: getattr(self, name) for name in ("posted", "seen", "messages", "when", "start_from")}
        session[_SESSION] = dict([*drafts.items(), (self.key, own)][-_KEPT:])

    def forget(self, session: SessionBase) -> None:
        session[_SESSION] = {key: kept for key, kept in session.get(_SESSION, {}).items() if key != self.key}

    def take(self, step: str, data: QueryDict, *, judged: bool) -> None:
        """Keep what was posted on a step. Words of a message that is not shown now stay as they were."""
        given = {name: list(map(str, values)) for name, values in data.lists() if name != "csrfmiddlewaretoken"}
        before = self.posted.get(step, {}) if step == WORDS else {}
        self.posted[step] = {**before, **given}
        if judged and step not in self.seen:
            self.seen.append(step)

    def data(self, step: str) -> QueryDict | None:
        """The fields of a step as a form takes them; None where it was not posted."""
        if step not in self.posted:
            return None
        made = QueryDict(mutable=True)
        for name, values in self.posted[step].items():
            made.setlist(name, values)
        return made

    def drop_message(self, number: int) -> None:
        """Take out one message; those after it move up."""
        if not 1 <= number <= self.messages or self.messages == 1:
            return
        for step in (WORDS, CHECK):
            moved = {}
            for name, values in self.posted.get(step, {}).items():
                place, dash, rest = name.removeprefix("m").partition("-")
                at = (whole_number(place) if name.startswith("m") and dash else None) or 0
                if at != number:
                    moved[f"m{at - 1}-{rest}" if at > number else name] = values
            self.posted[step] = moved
        self.messages -= 1


@dataclass
class Message:
    """One message of the new offer: its name, its words by channel, and its arm."""

    number: int
    title: str
    texts: list[TextForm]
    arm: ArmForm

    @property
    def prefix(self) -> str:
        return f"m{self.number}"

    @property
    def fine(self) -> bool:
        return bool(key_of(self.title)) and all(text.is_valid() for text in self.texts)


class Wizard:
    """The forms of a draft, each filled with what was entered or, before that, with what it may start from."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft

    def _form(self, kind: type[Form], step: str, initial: Mapping[str, Any]) -> Any:
        """Bound once the step was judged; until then what was typed stands in it without a fault."""
        data = self.draft.data(step)
        if data is not None and step in self.draft.seen:
            return kind(data)
        typed: dict[str, Any] = {}
        for name in data or ():
            assert data is not None
            typed[name] = data.getlist(name) if name in ("channels", "placements") else data[name]
        return kind(initial={**initial, **typed})

    @cached_property
    def begun(self) -> dict[str, Any]:
        """What the first step starts from: another offer, or a product that is the only one."""
        key = self.draft.start_from
        start = Offer.objects.filter(key=key, live=True).first() if key else None
        if start:
            shown = {name: start.content.get(name) for name in ("product", "family", "legal_basis")}
            return {**shown, "start_from": start.key}
        there = products()
        return {"product": there[0][0]} if len(there) == 1 else {}

    @cached_property
    def product(self) -> ProductStep:
        offers = self.siblings
        begun = {"terms": SAME_TERMS, "legal_basis": "firm_offer", **self.begun}
        form: ProductStep = self._form(ProductStep, PRODUCT, begun)
        form_choices = [(offer.key, offer.title) for offer in offers]
        choose(
            form,
            start_from=[("", "nothing: plain words from the facts"), *form_choices],
            terms=[(SAME_TERMS, "those of the offer that it starts from"), ("", "none yet: risk sets them"),
                   *((offer.key, f"{price({'facts': terms.owned(offer.content)})} (as {offer.title})")
                     for offer in offers if terms.owned(offer.content))],
        )  # fmt: skip
        if not form.is_bound and offers and not form.initial.get("family"):
            form.initial["family"] = offer_defaults.family(offers)
        return form

    def _given(self, name: str) -> str:
        """A field of the first step as it stands, right or wrong."""
        data = self.draft.data(PRODUCT)
        return str((self.begun if data is None else data).get(name, ""))

    @cached_property
    def siblings(self) -> list[Offer]:
        product = self._given("product")
        return offer_defaults.siblings(product) if product and product != NEW_PRODUCT else []

    @cached_property
    def like(self) -> Offer | None:
        key = self._given("start_from")
        return next((offer for offer in self.siblings if offer.key == key), None)

    @property
    def title(self) -> str:
        return self._given("title") or "New offer"

    @property
    def product_title(self) -> str:
        chosen = self._given("product")
        return self._given("new_product") if chosen == NEW_PRODUCT else dict(products()).get(chosen, "")

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What the first step says of the facts, as far as it is right."""
        form = self.product
        given = form.cleaned_data if form.is_bound and (form.is_valid() or form.cleaned_data) else {}
        price_ = {name: given[name] for name in ("fee", "bonus") if given.get(name) is not None}
        chosen = given.get("terms", "")
        source = (self.like.key if self.like else "") if chosen == SAME_TERMS else chosen
        base = dict(self.like.content["facts"]) if self.like else {}
        others = {name: value for name, value in base.items() if name not in terms.OWNED}
        return {**others, **offer_defaults.same_terms(self.siblings, source), **price_}

    @cached_property
    def worth(self) -> WorthStep:
        form: WorthStep = self._form(WorthStep, WORTH, offer_defaults.worth(self.siblings, self.like))
        return form

    @property
    def channels(self) -> list[str]:
        """The channels that are ticked: each needs words."""
        ticked = self.worth["channels"].value() or []
        return [channel for channel in CHANNELS if channel in ticked]

    @cached_property
    def messages(self) -> list[Message]:
        """All messages, with the words of the offer that this one starts from or with plain ones."""
        data, arms = self.draft.data(WORDS), self.draft.data(CHECK)
        there = offer_defaults.messages(self.like)
        return [self._message(number, data, arms, there) for number in range(1, self.draft.messages + 1)]

    def _message(self, number: int, data: QueryDict | None, arms: QueryDict | None, there: list[Any]) -> Message:
        like = there[number - 1] if number <= len(there) else None
        prefix = f"m{number}"
        texts = [
            TextForm(data, channel=channel, prefix=f"{prefix}-{channel}", start=self._start(channel, like))
            for channel in self.channels
        ]
        named = data.get(f"{prefix}-title") if data else None
        title = str(named) if named is not None else like.title if like else f"Message {number}"
        start = {f"{prefix}-expected": self.worth["base_rate"].value() or 1, f"{prefix}-strength": PRIOR_STRENGTH}
        bound = arms if arms is not None and f"{prefix}-expected" in arms else start
        return Message(number, title, texts, ArmForm(bound, prefix=prefix))

    def _start(self, channel: str, like: Any) -> dict[str, str]:
        text = like.content["texts"].get(channel) if like else None
        if text is not None and self.like and dict(self.like.content["facts"]) != self.facts:
            # It would state another offer's rate or fee.
            text = {**text, "disclosure": offer_defaults.disclosure(self.facts, channel)}
        return offer_defaults.words(channel, self.title, self.facts, text, self.like.title if self.like else "")

    @cached_property
    def proposal(self) -> ProposalForm:
        form: ProposalForm = self._form(ProposalForm, CHECK, {"change_title": f"Add {self.title}"[:200]})
        return form

    def fine(self, step: str) -> bool:
        """Whether a step holds what it needs. One that was not opened yet is judged by what it starts from."""
        if step == PRODUCT:
            return self.product.is_bound and self.product.is_valid()
        if step == WORTH:
            return self.bound_worth.is_valid()
        names = [key_of(message.title) for message in self.messages]
        if step == WORDS:
            return len(set(names)) == len(names) and all(message.fine for message in self.messages)
        arms = all(message.arm.is_valid() for message in self.messages)
        return arms and (not self.proposal.is_bound or self.proposal.is_valid())

    @cached_property
    def bound_worth(self) -> WorthStep:
        """The second step as though it had been posted, for whoever skipped it."""
        if self.worth.is_bound:
            return self.worth
        data = QueryDict(mutable=True)
        for name in self.worth.fields:
            value = self.worth[name].value()
            values = value if isinstance(value, list | tuple) else ["" if value is None else value]
            data.setlist(name, list(map(str, values)))
        return WorthStep(data)
