"""Releases: what was live when, what differs, files there and back, and the way back; and the stop board."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from offers import files, roles, snapshot
from offers.catalog import InvalidContent
from offers.models import ChangeRequest, Release, Stop
from tests.factories import NOW, approve_content, clause, make_user, rule

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=1)


def signed_in(role: str) -> Client:
    client = Client()
    client.force_login(make_user(role, role))
    return client


def page(name: str, *arguments: Any, role: str = roles.AUDITOR, **query: str) -> str:
    return signed_in(role).get(reverse(name, args=arguments), query).content.decode()


@pytest.fixture
def two() -> tuple[Release, Release]:
    first = approve_content(now=NOW)
    return first, approve_content([rule("score-670", clause("credit_score", ">=", 700), "travel-plus")], now=LATER)


def test_a_moment_shows_the_release_that_was_live(two: tuple[Release, Release]) -> None:
    assert "release 1</a> was live" in page("releases", at="2026-11-20T14:03")
    assert "release 2</a> was live" in page("releases", at="2026-11-21T14:03")
    assert "nothing was live yet" in page("releases", at="2026-01-01T00:00")
    for odd in (
        "2026-13-45T00:00",
        "yesterday",
        "2026-11-20T25:00",
        "9999-12-31T23:59:59-23:00",
        "0001-01-01T00:00:00+23:00",
    ):
        assert "is no date and time" in page("releases", at=odd)


def test_a_release_shows_what_it_changed_and_that_its_hash_holds(two: tuple[Release, Release]) -> None:
    html = page("release", 2)
    assert "it holds." in html
    assert "score-670" in html
    assert "700" in html
    assert signed_in(roles.AUDITOR).get(reverse("release", args=[9])).status_code == 404


def test_any_two_releases_are_compared(two: tuple[Release, Release]) -> None:
    assert "score-670" in page("release_difference", old="2", new="1")
    assert "They are the same" in page("release_difference", old="2", new="2")
    assert "There is no release 7" in page("release_difference", old="7", new="1")
    assert "by their numbers" in page("release_difference", old="x", new="1")


def test_going_back_is_a_proposal_like_any_other(two: tuple[Release, Release]) -> None:
    client = signed_in(roles.OPERATOR)
    answer = client.post(reverse("release_roll_back", args=[1]), {"rationale": "Complaints."})
    change = ChangeRequest.objects.get(kind="rollback")
    assert answer["Location"] == reverse("review", args=[change.pk])
    assert (change.status, change.key, change.rationale) == ("submitted", "1", "Complaints.")
    live = snapshot.live_row()
    assert live is not None
    assert live.number == 2
    client.post(reverse("release_roll_back", args=[2]))
    assert ChangeRequest.objects.filter(kind="rollback").count() == 1
    assert signed_in(roles.AUDITOR).post(reverse("release_roll_back", args=[1])).status_code == 403


def archive(contents: dict[str, bytes]) -> SimpleUploadedFile:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for name, content in contents.items():
            packed.writestr(name, content)
    return SimpleUploadedFile("catalogue.zip", made.getvalue())


def test_a_release_goes_out_as_files_and_comes_back_as_itself(two: tuple[Release, Release]) -> None:
    answer = signed_in(roles.AUDITOR).get(reverse("release_files", args=[1]))
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        found = {name: packed.read(name) for name in packed.namelist()}
    assert json.loads(found["release.json"])["content_hash"] == two[0].content_hash
    assert files.imported(found, two[0].content) == []
    assert [item.key for item in files.imported(found, two[1].content)] == ["score-670"]


def test_files_become_a_proposal_of_what_differs(two: tuple[Release, Release]) -> None:
    changed = files.exported(two[1])
    changed["product/loan.json"] = b'{"title": "Loans"}'
    client = signed_in(roles.MARKETING_AUTHOR)
    client.post(reverse("release_import"), {"title": "From git", "archive": archive(changed)})
    change = ChangeRequest.objects.get(kind="catalogue")
    assert change.items == [{"kind": "product", "key": "loan", "content": {"title": "Loans"}}]


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        ({"rule/a.json": b"{"}, "/rule/a.json"),
        ({"rule/a.json": b"[]"}, "an item is an object"),
        ({"rules/a.json": b"{}"}, "KIND/KEY.json"),
        ({"../../etc/passwd": b"x"}, "KIND/KEY.json"),
        ({"product/loan.json": b'{"title": "Loans", "colour": "red"}'}, "colour"),
        ({"rule/r.json": b"\xff"}, "/rule/r.json"),
        ({"product/loan.json": b'{"title": NaN}'}, "/product/loan.json/title: a number is finite"),
        ({"product/loan.json": b'{"title": "a\\u0000b"}'}, "/product/loan.json/title: a text holds neither NUL"),
        ({"product/loan.json": b'{"title": "a\\ud800b"}'}, "/product/loan.json/title: a text holds neither NUL"),
        ({"product/loan.json": b"[" * 200_000}, "/product/loan.json: it is nested too deeply"),
        ({"product/loan.json": b'{"title": ' + b"9" * 5_000 + b"}"}, "/product/loan.json: "),
    ],
)
def test_files_that_are_none_are_named(two: tuple[Release, Release], spoilt: dict[str, bytes], said: str) -> None:
    given = archive({**files.exported(two[1]), **spoilt})
    client = signed_in(roles.MARKETING_AUTHOR)
    html = client.post(reverse("release_import"), {"title": "x", "archive": given}, follow=True).content.decode()
    assert "Nothing was proposed" in html
    assert said in html
    assert not ChangeRequest.objects.filter(kind="catalogue").exists()


def test_what_is_no_archive_is_refused(two: tuple[Release, Release]) -> None:
    client = signed_in(roles.MARKETING_AUTHOR)
    given = {"title": "x", "archive": SimpleUploadedFile("c.zip", b"not a zip")}
    assert "no ZIP archive" in client.post(reverse("release_import"), given, follow=True).content.decode()
    with pytest.raises(InvalidContent, match="at most"):
        files.imported({"rule/a.json": b" " * (files.MOST_BYTES + 1)}, two[0].content)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_spoilt_archive_is_refused_however_it_was_packed(two: tuple[Release, Release], method: int) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as packed:
        packed.writestr("product/card.json", b'{"title": "Cards and more cards"}' * 50)
    spoilt = bytes(byte ^ 0x5A if 47 < at < 90 else byte for at, byte in enumerate(made.getvalue()))
    given = {"title": "x", "archive": SimpleUploadedFile("c.zip", spoilt)}
    answer = signed_in(roles.MARKETING_AUTHOR).post(reverse("release_import"), given, follow=True)
    assert "no ZIP archive" in answer.content.decode()


def test_an_author_imports_only_what_he_may_propose(two: tuple[Release, Release]) -> None:
    client = signed_in(roles.MARKETING_AUTHOR)
    answer = client.post(reverse("release_import"), {"title": "x", "archive": archive(files.exported(two[0]))})
    assert answer.status_code == 403


def test_a_catalogue_goes_through_a_folder(two: tuple[Release, Release], tmp_path: Path) -> None:
    call_command("catalogue", "export", str(tmp_path / "out"), "--release", "1")
    make_user(roles.RISK_AUTHOR, "rene")
    call_command("catalogue", "import", str(tmp_path / "out"), "--author", "rene")
    assert [item["key"] for item in ChangeRequest.objects.get(kind="catalogue").items] == ["score-670"]
    with pytest.raises(CommandError, match="not empty"):
        call_command("catalogue", "export", str(tmp_path / "out"))
    with pytest.raises(CommandError, match="no user nobody"):
        call_command("catalogue", "import", str(tmp_path / "out"), "--author", "nobody")
    with pytest.raises(CommandError, match="no release 9"):
        call_command("catalogue", "export", str(tmp_path / "other"), "--release", "9")


def stop(client: Client, reason: str = "Complaints.", target: str = "product:card") -> str:
    answer = client.post(reverse("stop_make"), {"comment": reason, "target": target}, follow=True)
    return answer.content.decode()


def test_a_product_is_stopped_with_a_reason_and_resumed_by_somebody_else(two: tuple[Release, Release]) -> None:
    client = signed_in(roles.COMPLIANCE)
    assert "Nothing was changed" in stop(client, reason=" ")
    assert "Stopped: card" in stop(client)
    assert "is stopped already" in stop(client)
    assert "so somebody else resumes it" in client.get(reverse("stops")).content.decode()
    own = client.post(reverse("stop_resume"), {"target": "product:card"}, follow=True).content.decode()
    assert "somebody else must resume it" in own
    signed_in(roles.RISK_APPROVER).post(reverse("stop_resume"), {"target": "product:card"})
    assert Stop.objects.get().resumed_by is not None
    assert "Complaints." in page("stops")


@pytest.mark.parametrize("target", ["offer:none", "planet:earth", "all:card", "", "product"])
def test_what_is_not_there_is_not_stopped(two: tuple[Release, Release], target: str) -> None:
    assert "Nothing was changed" in stop(signed_in(roles.OPERATOR), target=target)
    assert not Stop.objects.exists()


def test_a_stop_that_is_refused_keeps_its_reason_and_an_offer_is_named_by_its_key(two: tuple[Release, Release]) -> None:
    client = signed_in(roles.OPERATOR)
    posted = {"comment": "The page shows a wrong rate.", "target": "", "typed": "studnet"}
    html = client.post(reverse("stop_make"), posted, follow=True).content.decode()
    assert ">The page shows a wrong rate.</textarea>" in html
    assert 'value="studnet"' in html
    assert "Stopped: student" in client.post(
        reverse("stop_make"), {**posted, "typed": "student"}, follow=True
    ).content.decode()  # fmt: skip


def test_an_import_that_is_refused_keeps_its_title_and_says_why_beside_the_file(two: tuple[Release, Release]) -> None:
    given = {"title": "The spring catalogue", "archive": SimpleUploadedFile("c.zip", b"not a zip")}
    html = signed_in(roles.MARKETING_AUTHOR).post(reverse("release_import"), given, follow=True).content.decode()
    assert 'value="The spring catalogue"' in html
    assert '<ul class="fault" id="id_archive_error">' in html


@pytest.mark.parametrize("role", [roles.MARKETING_LEAD, roles.AUDITOR, roles.MODEL_RISK])
def test_who_may_not_stop_sees_the_board_and_no_button(two: tuple[Release, Release], role: str) -> None:
    html = page("stops", role=role)
    assert "Your role does not stop anything" in html
    assert 'name="target"' not in html
    assert signed_in(role).post(reverse("stop_make"), {"comment": "x", "target": "all:"}).status_code == 403
