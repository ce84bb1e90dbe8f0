"""The backtest: it finds a planted best arm, says the same twice, opens no connection, and refuses in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from decisioning.backtest import top_half
from decisioning.ingest.mapping import SHIPPED

ARMS = [f"{reward}/{mailer}" for reward in ("air-miles", "cash-back", "points") for mailer in ("letter", "postcard")]
HEADER = (
    "Customer Number,Offer Accepted,Reward,Mailer Type,Income Level,# Bank Accounts Open,Overdraft Protection,"
    "Credit Rating,# Credit Cards Held,# Homes Owned,Household Size,Own Your Home,Average Balance,Q1 Balance,"
    "Q2 Balance,Q3 Balance,Q4 Balance"
)


def _campaign(folder: Path, rows: int, *, seed: int, accept: bool = True) -> Path:
    """A mailing in which low ratings like points by letter, high ones air miles by postcard, and nobody much else."""
    draw = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [HEADER]
    for number in range(1, rows + 1):
        rating = ("Low", "High")[draw.integers(2)]
        reward, mailer = (
            ("Air Miles", "Cash Back", "Points")[draw.integers(3)],
            ("Letter", "Postcard")[draw.integers(2)],
        )
        liked = (rating, reward, mailer) in (("Low", "Points", "Letter"), ("High", "Air Miles", "Postcard"))
        accepted = accept and draw.random() < (0.4 if liked else 0.05)
        balance = draw.integers(100, 2000)
        lines.append(
            f"{number},{'Yes' if accepted else 'No'},{reward},{mailer},Low,1,No,{rating},2,1,3,No,"
            f"{balance}.0,{balance}.0,{balance}.0,{balance}.0,{balance}.0"
        )
    (folder / "card_offers.csv").write_text("\n".join(lines) + "\n")
    return folder


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    call_command("backtest", *arguments)
    return capsys.readouterr().out


def _report(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    return dict(json.loads(_run(capsys, *arguments, "--json")))


def _values(report: dict[str, Any]) -> dict[str, float]:
    return {policy["name"]: policy["value"] for policy in report["policies"]}


def test_the_cascade_finds_what_each_segment_likes_and_says_so_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(_campaign(tmp_path, 3000, seed=1))
    first = _run(capsys, "card_offers", folder, "--json")
    report = json.loads(first)
    assert set(report) >= {"auc", "brier", "log_loss", "calibration_slope", "policies", "rows", "plain"}
    names = [policy["name"] for policy in report["policies"]]
    assert names == ["cascade", "cascade_top_half", "plain", "plain_top_half", "random", *ARMS]
    assert all(set(policy) >= {"name", "value", "standard_error", "interval"} for policy in report["policies"])
    values = _values(report)
    # 0.4 for whoever gets what their segment likes; a single arm is liked by half of the customers.
    assert values["cascade"] == pytest.approx(0.4, abs=0.08)
    assert max(values[arm] for arm in ARMS) == pytest.approx(0.225, abs=0.06)
    assert values["random"] == pytest.approx(0.108, abs=0.03)
    assert report["rows"] + report["train_rows"] == 3000
    assert _run(capsys, "card_offers", folder, "--json") == first


def test_a_second_campaign_is_tested_on_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = _campaign(tmp_path / "one", 2000, seed=1), _campaign(tmp_path / "two", 1500, seed=2)
    report = _report(capsys, "card_offers", str(one), "--test", str(two))
    assert (report["train_rows"], report["rows"]) == (2000, 1500)
    assert _values(report)["cascade"] > 0.3


def test_the_table_for_people_names_every_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = _run(capsys, "card_offers", str(_campaign(tmp_path, 1500, seed=1)))
    assert all(name in text for name in ("cascade_top_half", "plain LightGBM", "random", *ARMS))


def test_a_mapping_file_is_taken_by_its_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "own.toml"
    own.write_text((SHIPPED / "card_offers.toml").read_text().replace('file = "card_offers.csv"', 'file = "*.csv"'))
    assert _report(capsys, str(own), str(_campaign(tmp_path / "data", 1500, seed=1)))["rows"] == 750


def test_the_better_half_takes_equals_in_their_order() -> None:
    assert sorted(top_half(np.array([0.1, 0.3, 0.2, 0.2, 0.2])).tolist()) == [1, 2, 3]


def test_what_cannot_be_tested_is_refused_in_one_line(tmp_path: Path) -> None:
    good = str(_campaign(tmp_path / "good", 300, seed=1))
    shipped = (SHIPPED / "card_offers.toml").read_text()
    no_split = tmp_path / "no_split.toml"
    no_split.write_text(shipped.replace('[split]\ncolumn = "Customer Number"\ntrain = "odd"\n', ""))
    no_creative = tmp_path / "no_creative.toml"
    no_creative.write_text(shipped.replace('creative = "points/letter"', 'creative = "points/poster"'))
    refused = {
        ("nothing_here", good): "neither a shipped mapping",
        ("card_offers", str(tmp_path / "nowhere")): "there is no folder",
        ("card_offers", str(_campaign(tmp_path / "none", 300, seed=1, accept=False))): "training needs at least",
        ("czech_bank", good): "maps no logged decisions",
        (str(no_split), good): "declares no split",
        (str(no_creative), good): "there is no creative points/poster",
    }
    for (mapping, folder), message in refused.items():
        with pytest.raises(CommandError, match=message) as caught:
            call_command("backtest", mapping, folder)
        assert "\n" not in str(caught.value)
        assert caught.value.returncode == 1


def test_on_the_public_mailing_the_cascade_is_not_below_the_plain_model(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(settings.CANDOR_DATA) / "card_offers"
    if not folder.is_dir():
        pytest.skip("the public data set card_offers is not here")
    report = _report(capsys, "card_offers", str(folder))
    policies = {policy["name"]: policy for policy in report["policies"]}
    assert report["auc"] > 0.72
    assert 0.8 < report["calibration_slope"] < 1.2
    assert policies["random"]["value"] == pytest.approx(0.055, abs=0.001)
    assert policies["air-miles/postcard"]["value"] == pytest.approx(0.097, abs=0.001)
    for name, baseline in (("cascade", "plain"), ("cascade_top_half", "plain_top_half")):
        assert policies[name]["value"] > policies[baseline]["value"] - policies[baseline]["standard_error"]
