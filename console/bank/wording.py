"""The words of the synthetic bank's creatives: one message for each family and angle, set in each channel's format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Facts = Mapping[str, Any]

FORMATS = {
    "mobile_app": "banner", "web": "tile", "email": "email", "sms": "sms", "push": "push", "branch": "script",
    "call_centre": "script", "direct_mail": "letter",
}  # fmt: skip
CALLS = {
    "mobile_app": "See the card", "web": "Compare the terms", "email": "Read the terms and apply",
    "sms": "Open the app", "push": "See the card", "branch": "Offer to go through the terms",
    "call_centre": "Offer to send the terms", "direct_mail": "Apply in the app, online or at a branch",
}  # fmt: skip
SHORT = frozenset({"sms", "push"})  # the headline alone, with what the channel must say

# Family, angle: the creative's key, its name, headline and body. Facts of the offer stand in braces.
MESSAGES: Mapping[tuple[str, str], tuple[str, str, str, str]] = {
    ("travel", "rewards"): (
        "miles", "miles headline", "Every trip earns the next one",
        "{name} gives you miles on flights and hotels, and {bonus} dollars' worth of them once you have spent 1,500"
        " dollars in three months."),
    ("travel", "savings"): (
        "no-fx", "no foreign fee", "Pay abroad without a foreign transaction fee",
        "With {name} a coffee in Lisbon costs what the receipt says. {fee_sentence}"),
    ("travel", "simplicity"): (
        "one-card", "one card for the road", "One card for the whole trip",
        "Flights, trains and dinners on one statement, sorted by trip. {fee_sentence}"),
    ("travel", "security"): (
        "cover", "cover abroad", "Delayed or lost luggage? You are covered",
        "Trips that you pay for with {name} include travel cover; the booklet says for what and up to which sum."),
    ("cashback", "rewards"): (
        "cash", "cash every month", "Money back on what you buy anyway",
        "{name} pays cash back on groceries, fuel and everything else, every month, with no points to keep track of."),
    ("cashback", "savings"): (
        "groceries", "groceries", "More back at the supermarket",
        "Groceries earn the highest rate with {name}. A welcome bonus of {bonus} dollars follows your first 1,000 of"
        " spending."),
    ("cashback", "simplicity"): (
        "no-rules", "no categories", "Cash back without categories",
        "Nothing to activate and no quarterly list: {name} pays it into your account by itself. {fee_sentence}"),
    ("cashback", "security"): (
        "purchase-cover", "purchase cover", "What you buy is covered for 90 days",
        "{name} insures purchases against theft and damage for 90 days, and pays cash back on them as well."),
    ("balance-transfer", "rewards"): (
        "fresh-start", "fresh start", "A date by which the old balance is gone",
        "Move a balance to {name}, and the introductory rate gives you {intro_months} months to pay it down."),
    ("balance-transfer", "savings"): (
        "months", "months without interest", "{intro_months} months without interest on what you move",
        "Balances that you move to {name} in the first 60 days bear no interest for {intro_months} months; a transfer"
        " fee of 3 % applies."),
    ("balance-transfer", "simplicity"): (
        "one-payment", "one payment", "Several cards, one payment",
        "Bring your balances together on {name} and make one payment a month. The transfer fee is 3 %."),
    ("balance-transfer", "security"): (
        "plan", "repayment plan", "A repayment plan that you can see through",
        "{name} shows month by month what you still owe, and what is left when the introductory rate ends."),
    ("student", "rewards"): (
        "first-perks", "first perks", "Cash back on books, food and streaming",
        "{name} pays cash back where students spend, and {bonus} dollars after your first three months."),
    ("student", "savings"): (
        "no-fee", "no annual fee", "A first card without an annual fee",
        "{name} costs nothing a year. Pay in full each month, and it costs no interest either."),
    ("student", "simplicity"): (
        "first-card", "first card", "Your first card, set up in the app",
        "Apply in ten minutes, see every payment at once, and lock the card with one tap if you misplace it."),
    ("student", "security"): (
        "credit-start", "start a credit history", "Start your credit history with care",
        "{name} comes with a low limit and a reminder before each due date, and a good record builds from day one."),
    ("premium", "rewards"): (
        "points", "points", "Points that do not expire",
        "{name} earns points on every purchase, and {bonus} dollars' worth of them in the first three months."),
    ("premium", "savings"): (
        "credits", "yearly credits", "Credits that give back part of the fee",
        "Each year {name} credits part of what you spend with airlines and hotels. {fee_sentence}"),
    ("premium", "simplicity"): (
        "concierge", "concierge", "One number for whatever you need booked",
        "Holders of {name} reach a concierge by telephone or message at any hour."),
    ("premium", "security"): (
        "protection", "protection", "Cover for travel, purchases and rental cars",
        "{name} includes travel, purchase and rental car cover; the booklet says for what and up to which sum."),
    ("secured", "rewards"): (
        "deposit-back", "deposit returned", "Your deposit comes back",
        "Pay {name} on time for twelve months and we review it for an unsecured card and return your deposit."),
    ("secured", "savings"): (
        "low-cost", "low cost", "Rebuild credit at a low cost",
        "{name} needs a refundable deposit, which is your limit. {fee_sentence}"),
    ("secured", "simplicity"): (
        "easy-steps", "easy steps", "Three steps to a card again",
        "Choose your deposit, confirm who you are, and use {name} like any other card. We report to all bureaus."),
    ("secured", "security"): (
        "in-control", "in control", "A limit that you set yourself",
        "With {name} you never owe more than the deposit that you chose, and each payment on time is reported."),
    ("retail", "rewards"): (
        "store-points", "store points", "Points where you shop, and vouchers from them",
        "{name} earns double points with our retail partners, and a voucher of {bonus} dollars to begin with."),
    ("retail", "savings"): (
        "instalments", "instalments", "Spread a larger purchase over months",
        "Purchases over 100 dollars can be paid in instalments with {name}; you see the cost before you agree."),
    ("retail", "simplicity"): (
        "receipts", "receipts kept", "Receipts kept, returns made easy",
        "{name} keeps your receipts in the app, so that a return needs no paper. {fee_sentence}"),
    ("retail", "security"): (
        "price-cover", "longer returns", "Ninety days to change your mind",
        "Purchases with {name} at our partners can be returned for 90 days."),
    ("business", "rewards"): (
        "business-cash", "cash on costs", "Cash back on fuel, software and shipping",
        "{name} pays cash back on what a business buys, and {bonus} dollars after the first 3,000 of spending."),
    ("business", "savings"): (
        "float", "time to pay", "Up to 55 days before you pay",
        "Pay suppliers today and settle {name} with the statement. {fee_sentence}"),
    ("business", "simplicity"): (
        "bookkeeping", "bookkeeping", "Expenses that sort themselves",
        "{name} puts each purchase into a category and exports to your bookkeeping. Cards for staff cost nothing."),
    ("business", "security"): (
        "limits", "limits for staff", "A limit for every card of your staff",
        "Set a limit, a category or a country for each card of {name}, and change it in the app at any time."),
}  # fmt: skip


def texts(family: str, angle: str, name: str, facts: Facts, channels: frozenset[str]) -> dict[str, dict[str, str]]:
    """The approved words by channel."""
    _, _, headline, body = MESSAGES[family, angle]
    filled = {**facts, "name": name, "fee_sentence": _fee_sentence(facts)}
    return {
        channel: _text(channel, headline.format(**filled), body.format(**filled), disclosure(facts))
        for channel in sorted(channels)
    }


def _text(channel: str, headline: str, body: str, terms: str) -> dict[str, str]:
    return {
        "format": FORMATS[channel],
        "headline": headline,
        "body": _set(channel, headline, body),
        "call_to_action": CALLS[channel],
        "disclosure": terms + (" Reply STOP to opt out." if channel == "sms" else ""),
    }


def _set(channel: str, headline: str, body: str) -> str:
    """The body as the channel says it."""
    if channel in SHORT:
        return f"{headline}. The terms are in the app."
    if channel == "email":
        return f"Hello. {body} The full terms are one click away; no reply is needed if it is not for you."
    if channel == "direct_mail":
        return f"You may find this card useful. {body} The enclosed sheet has all terms."
    if channel in ("branch", "call_centre"):
        return f"If the customer has time: “{body} Shall I go through the terms with you?” Do not press."
    return body


def disclosure(facts: Facts) -> str:
    """Rate, fee and introductory rate, as Regulation Z wants them beside an offer of credit."""
    fee = f"{facts['fee']:,} dollars a year" if facts["fee"] else "none"
    intro = f" after an introductory rate of 0 % for {facts['intro_months']} months" if facts["intro_months"] else ""
    return (
        f"Annual percentage rate {100 * facts['rate']:.1f} % variable{intro}. Annual fee {fee}. Credit limit up to"
        f" {facts['limit']:,} dollars. Subject to approval."
    )


def _fee_sentence(facts: Facts) -> str:
    return f"The annual fee is {facts['fee']:,} dollars." if facts["fee"] else "There is no annual fee."


FALLBACK_TEXT = {
    channel: {
        "format": FORMATS[channel],
        "headline": "All our cards, side by side",
        "body": "Compare rates, fees and rewards of every card, and see which ones you may apply for.",
        "call_to_action": "See all cards",
        "disclosure": "Rates, fees and limits differ by card and are shown with each. Subject to approval.",
    }
    for channel in ("mobile_app", "web")
}
