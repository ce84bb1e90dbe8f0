"""A code of one's phone after the password, and recovery codes for whoever lost it; the arithmetic is django-otp's."""

from __future__ import annotations

import secrets
from base64 import b32encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import segno
from django.contrib.auth.models import User
from django.db import transaction
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from offers import audit

RECOVERY_CODES: Final = 10
_BORDER = 4  # modules of quiet zone that a reader needs


@dataclass(frozen=True, slots=True)
class Secret:
    """What an authenticator app must be told: as a picture, an SVG path in a square of `size` modules, or as text."""

    path: str
    size: int
    text: str
    uri: str


def has_phone(person: User) -> bool:
    return bool(TOTPDevice.objects.filter(user=person, confirmed=True).exists())


def recovery_codes_left(person: User) -> int:
    return int(StaticToken.objects.filter(device__user=person, device__confirmed=True).count())


def proposed(person: User) -> Secret:
    """The secret of the phone that is being set up; the same until it is confirmed."""
    device, _ = TOTPDevice.objects.get_or_create(user=person, confirmed=False, defaults={"name": "phone"})
    uri = str(device.config_url)
    code = segno.make(uri, error="m", micro=False)
    path = "".join(
        f"M{x + _BORDER} {y + _BORDER}h1v1h-1z"
        for y, row in enumerate(code.matrix)
        for x, dark in enumerate(row)
        if dark
    )
    text = b32encode(device.bin_key).decode().rstrip("=")
    spaced = " ".join(text[at : at + 4] for at in range(0, len(text), 4))
    return Secret(path, len(code.matrix) + 2 * _BORDER, spaced, uri)


def confirm(person: User, code: str, now: datetime) -> Any | None:
    """The device whose first code this is, in force from now on in place of any before it; None if it is wrong."""
    with transaction.atomic():
        device = TOTPDevice.objects.select_for_update().filter(user=person, confirmed=False).first()
        if device is None or not device.verify_token(_digits(code)):
            return None
        TOTPDevice.objects.filter(user=person, confirmed=True).delete()
        device.confirmed = True
        device.save(update_fields=["confirmed"])
        _record(person, "user.second_factor_set_up", now)
    return device


def verify(person: User, code: str, now: datetime) -> Any | None:
    """The device that this code is of, each code once: the phone's six digits, or a recovery code. None if it is wrong,
    or while django-otp makes whoever guessed wrong wait."""
    with transaction.atomic():
        for model in (TOTPDevice, StaticDevice):
            device = model.objects.select_for_update().filter(user=person, confirmed=True).first()
            if device is None or (model is TOTPDevice) != _digits(code).isdigit():
                continue
            if not device.verify_token(_digits(code)):
                return None
            if model is StaticDevice:
                _record(person, "user.recovery_code_used", now)
            return device
    return None


def new_recovery_codes(person: User, now: datetime) -> list[str]:
    """Shown this once; the ones before are void."""
    with transaction.atomic():
        StaticDevice.objects.filter(user=person).delete()
        device = StaticDevice.objects.create(user=person, name="recovery codes", confirmed=True)
        # A letter first, so that no code can be taken for the phone's.
        codes = [f"r{secrets.token_hex(5)}" for _ in range(RECOVERY_CODES)]
        StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
        _record(person, "user.recovery_codes_made", now)
    return codes


def remove(person: User, now: datetime) -> None:
    with transaction.atomic():
        TOTPDevice.objects.filter(user=person).delete()
        StaticDevice.objects.filter(user=person).delete()
        _record(person, "user.second_factor_removed", now)


def _digits(code: str) -> str:
    """As people type it: apps show a space in the middle."""
    return "".join(code.split()).lower()[:16]


def _record(person: User, action: str, now: datetime) -> None:
    name = person.get_username()
    audit.record(actor=name, action=action, subject=f"user {name}", detail={}, now=now)
