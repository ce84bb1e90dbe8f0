"""The audit of a file: the reference numbers, what columns may mean, and what is refused by name."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from fairness import file_audit
from fairness.audit_worker import _contained  # AIF360 prints and warns when imported
from fairness.file_audit import Columns, FileAudit, UnreadableFile
from offers import roles
from tests.factories import make_user

Cells = list[tuple[str, str, int]]  # group, decision, people


def rows(cells: Cells) -> str:
    return "group,decision,people\n" + "".join(f"{group},{decision},{people}\n" for group, decision, people in cells)


def counted(group: tuple[int, int], reference: tuple[int, int]) -> str:
    """Favourable of all in a group and in its reference, as weighted rows."""
    sides = (("u", group), ("p", reference))
    return rows([(name, d, n) for name, (yes, all_) in sides for d, n in (("1", yes), ("0", all_ - yes))])


def run(text: str, *groups: str, decision: str = "decision", oracle: bool = False, **columns: str) -> FileAudit:
    source = io.BytesIO(text.encode())
    return file_audit.audit(source, Columns(groups or ("group",), decision, **columns), oracle=oracle)


def only(found: FileAudit) -> dict[str, Any]:
    (one,) = found.compared
    return one.to_json()


@pytest.mark.parametrize(
    ("group", "reference", "difference", "ratio"),
    [
        ((110, 190), (590, 810), -0.149448, 0.794826),
        ((88, 149), (612, 851), -0.128550, 0.821248),
        ((201, 310), (499, 690), -0.074801, 0.896567),
        ((1669, 14695), (9539, 30527), -0.198901, 0.363470),
    ],
)
def test_the_reference_numbers_come_out(
    group: tuple[int, int], reference: tuple[int, int], difference: float, ratio: float
) -> None:
    found = only(run(counted(group, reference), "group=p", weight="people"))
    assert found["statistical_parity_difference"] == pytest.approx(difference, abs=1e-6)
    assert found["disparate_impact"] == pytest.approx(ratio, abs=1e-6)
    assert (found["n_group"], found["favourable_reference"]) == (group[1], reference[0])


def test_the_published_interval_comes_out() -> None:
    found = only(run(counted((110, 190), (590, 810)), "group=p", weight="people"))
    assert found["disparate_impact_interval"] == pytest.approx([0.699, 0.904], abs=1e-3)
    assert found["verdict"] == "fail"


def test_aif360_on_the_same_counts_says_the_same() -> None:
    found = run(counted((110, 190), (590, 810)), "group=p", weight="people", oracle=True)
    assert found.audited is not None
    assert found.audited[0] is not None
    assert found.audited[0].metrics["disparate_impact"] == pytest.approx(0.794826, abs=1e-6)
    assert found.largest_difference is not None
    assert found.largest_difference <= 1e-12


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.booleans()), min_size=8, max_size=60).filter(
        lambda drawn: {row[0] for row in drawn} == {"a", "b"}
    )
)
def test_rows_and_their_weighted_cells_give_the_same(drawn: list[tuple[str, bool, bool]]) -> None:
    frame = pd.DataFrame(drawn, columns=["group", "decision", "outcome"]).astype({"decision": int, "outcome": int})
    cells = frame.value_counts().reset_index(name="people")
    each = run(frame.to_csv(index=False), "group=a", outcome="outcome")
    together = run(cells.to_csv(index=False), "group=a", outcome="outcome", weight="people")
    assert only(each) == only(together)
    flipped = run(frame.to_csv(index=False), "group=b", outcome="outcome")
    one, other = only(each), only(flipped)
    assert one["statistical_parity_difference"] == pytest.approx(-other["statistical_parity_difference"])
    if one["disparate_impact"] and other["disparate_impact"]:
        assert one["disparate_impact"] == pytest.approx(1 / other["disparate_impact"])


def test_outcomes_are_measured_as_aif360_measures_them_on_rows() -> None:
    random = np.random.default_rng(11)
    frame = pd.DataFrame({
        "sex": random.choice(["f", "m"], 900), "decision": random.integers(0, 2, 900),
        "outcome": random.integers(0, 2, 900),
    })  # fmt: skip
    found = only(run(frame.to_csv(index=False), "sex=m", outcome="outcome"))
    with _contained():
        from aif360.datasets import BinaryLabelDataset
        from aif360.metrics import ClassificationMetric

        coded = frame.assign(sex=(frame.sex == "m").astype(float)).astype(float)
        kinds = {"protected_attribute_names": ["sex"], "favorable_label": 1.0, "unfavorable_label": 0.0}
        actual = BinaryLabelDataset(df=coded[["sex", "outcome"]], label_names=["outcome"], **kinds)
        decided = actual.copy()
        decided.labels = coded[["decision"]].to_numpy()
        metric = ClassificationMetric(actual, decided, [{"sex": 0.0}], [{"sex": 1.0}])
        names = ("equal_opportunity_difference", "average_odds_difference", "theil_index", "disparate_impact")
        theirs = {name: float(getattr(metric, name)()) for name in names}
    assert {name: found[name] for name in names} == pytest.approx(theirs, abs=1e-12)


def test_a_column_without_a_value_is_compared_with_its_largest_group_and_says_so() -> None:
    found = run(rows([("a", "1", 50), ("a", "0", 50), ("b", "1", 20), ("b", "0", 10)]), weight="people")
    assert only(found)["reference"] == "a"
    assert found.notes == ("group is compared with its largest group, a",)


def test_a_number_is_split_in_two_with_the_named_side_as_reference() -> None:
    text = "age,decision\n" + "".join(f"{age},{int(age >= 30)}\n" for age in range(20, 60)) + ",1\n"
    found = run(text, "age>=40")
    assert [(one.result.group, one.result.reference, one.result.total) for one in found.compared] == [
        ("age < 40", "age >= 40", 20), ("not recorded", "age >= 40", 1),
    ]  # fmt: skip
    assert run(text, "age<25").compared[0].result.group == "age >= 25"


def test_several_groups_are_one_family_and_each_missing_value_is_a_group() -> None:
    random = np.random.default_rng(5)
    frame = pd.DataFrame({
        "sex": random.choice(["f", "m", ""], 3000), "region": random.choice(["n", "s", "w"], 3000),
        "decision": random.choice(["good", "bad"], 3000),
    })  # fmt: skip
    found = run(frame.to_csv(index=False), "sex=m", "region", decision="decision=good")
    assert [one.result.group for one in found.compared][:2] == ["f", "not recorded"]
    p_values = [one.result.p for one in found.compared]
    expected = false_discovery_control([p for p in p_values if p is not None])
    assert [one.result.q for one in found.compared] == pytest.approx(list(expected))
    sex = [one.result for one in found.compared if one.result.attribute == "sex"]
    assert sum(row.total for row in sex) + sex[0].reference_total == 3000


def test_a_score_is_compared_and_lets_the_json_be() -> None:
    text = "sex,decision,score\n" + "f,1,1\nf,0,2\nm,1,3\nm,1,4\nm,0,\n"
    found = run(text, "sex=m", score="score")
    spread = float(np.std([1, 2, 3, 4]))
    assert found.compared[0].smd == pytest.approx(-2 / spread)
    assert "smd" not in only(found)


def test_nothing_of_nobody_is_a_number() -> None:
    found = only(run("group,decision\n" + "u,0\n" * 40 + "p,0\n" * 40, "group=p"))
    assert (found["disparate_impact"], found["disparate_impact_interval"], found["verdict"]) == (
        None,
        None,
        "undefined",
    )
    assert found["equal_opportunity_difference"] is found["theil_index"] is None
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("text", "groups", "columns", "said"),
    [
        ("", ["g"], {}, "no CSV with a header"),
        ("g,d\n", ["g"], {}, "no row"),
        ("g,d\na,1\n", ["sex"], {}, "no column 'sex'; the file has g, d"),
        ("g,d\na,1\n", ["g=b"], {}, "no row has g=b; its values are a"),
        ("g,d\na,good\nb,bad\n", ["g"], {}, "say which value of d is favourable, as d=good"),
        ("g,d\na,good\n", ["g"], {"decision": "d=great"}, "no row has d=great"),
        ("g,d,w\na,1,-1\n", ["g"], {"weight": "w"}, "w: a weight is below zero"),
        ("g,d,w\na,1,x\n", ["g"], {"weight": "w"}, "w holds x"),
        ("g,d\nold,1\n", ["g>=40"], {}, "g holds old"),
        ("g,d\n40,1\n", ["g>=young"], {}, "young in g>=young is no number"),
        ("g,d\n,1\n,0\n", ["g"], {}, "no row has a value of g"),
        ("g,d\na,\n", ["g"], {}, "no row has a d"),
        ("g,d\na,1\n", [], {}, "at least one column"),
        ("g,d\n" + "".join(f"{n},1\n" for n in range(300)), ["g"], {}, "300 values"),
    ],
)
def test_what_cannot_be_audited_is_refused_by_name(
    text: str, groups: list[str], columns: dict[str, str], said: str
) -> None:
    given = Columns(groups, **{"decision": "d", **columns})
    with pytest.raises(UnreadableFile, match=said):
        file_audit.audit(io.BytesIO(text.encode()), given, oracle=False)


def test_semicolons_a_byte_order_mark_and_signs_in_names_are_read() -> None:
    text = "\ufeffage=x;status\n1;approved\n2;declined\n1;approved\n"
    found = run(text, "age=x", decision="status")
    assert (found.rows, found.compared[0].result.reference) == (3, "1")


def test_the_command_prints_json_and_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, page = tmp_path / "german.csv", tmp_path / "report.html"
    file.write_text(counted((110, 190), (590, 810)))
    options = ["--group", "group=p", "--decision", "decision", "--weight", "people"]
    call_command("audit_file", str(file), *options, "--json", "--html", str(page))
    (found,) = json.loads(capsys.readouterr().out)["comparisons"]
    assert found["disparate_impact"] == pytest.approx(0.794826, abs=1e-6)
    html = page.read_text()
    assert "Fairness of the decisions in german.csv" in html
    assert "0.79" in html
    call_command("audit_file", str(file), *options)
    assert "fail  group: u to p" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no column 'sex'"):
        call_command("audit_file", str(file), "--group", "sex", "--decision", "decision")
    with pytest.raises(CommandError, match="can be read"):
        call_command("audit_file", str(tmp_path / "none.csv"), *options)


@pytest.mark.django_db
def test_the_page_takes_a_file_and_keeps_nothing() -> None:
    client = Client()
    client.force_login(make_user(roles.AUDITOR))
    given = {"groups": "group=p", "decision": "decision", "weight": "people"}
    file = SimpleUploadedFile("<b>.csv", counted((110, 190), (590, 810)).encode())
    html = client.post(reverse("fairness_file"), {**given, "file": file}).content.decode()
    assert "190" in html
    assert "&lt;b&gt;.csv" in html
    bad = SimpleUploadedFile("x.csv", b"a,b\n1,2\n")
    assert "there is no column" in client.post(reverse("fairness_file"), {**given, "file": bad}).content.decode()
    assert "This field is required" in client.post(reverse("fairness_file"), given).content.decode()
    client.force_login(make_user(roles.MARKETING_LEAD))
    assert client.get(reverse("fairness_file")).status_code == 403
