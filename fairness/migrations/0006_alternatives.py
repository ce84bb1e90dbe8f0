"""Searches for less discriminatory alternatives, and checks of individuals; and what holds for whoever writes SQL: a
protocol is older than its run, nobody signs what he wrote, and no model that looks at groups when it decides goes live
where a pack in force forbids it."""

from typing import ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

APPEND_ONLY = """
CALL candor_make_append_only('fairness_search');
CALL candor_make_append_only('fairness_searchrun');
CALL candor_make_append_only('fairness_candidate');
CALL candor_make_append_only('fairness_decisionmemo');
CALL candor_make_append_only('fairness_searchsignature');
CALL candor_make_append_only('fairness_searchwaiver');
CALL candor_make_append_only('fairness_individualcheck');
REVOKE UPDATE, DELETE ON fairness_search, fairness_searchrun, fairness_candidate, fairness_decisionmemo,
  fairness_searchsignature, fairness_searchwaiver, fairness_individualcheck FROM candor_serving;
REVOKE UPDATE ON fairness_comparatorpair FROM candor_serving;
INSERT INTO offers_signingright (action, role) VALUES ('sign:alternatives', 'compliance');
"""

RUNS = """
CREATE FUNCTION candor_guard_search_run() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE asked fairness_search;
BEGIN
  SELECT * INTO asked FROM fairness_search WHERE id = NEW.search_id;
  IF NEW.started_at < asked.frozen_at THEN
    RAISE EXCEPTION 'search % ran before its protocol was frozen', asked.id USING ERRCODE = 'restrict_violation';
  END IF;
  IF asked.reweighing AND NOT EXISTS (SELECT 1 FROM fairness_searchsignature s WHERE s.search_id = asked.id
       AND s.purpose = 'reweighing' AND s.signed_at <= NEW.started_at) THEN
    RAISE EXCEPTION 'search % uses groups in training, and nobody has signed that', asked.id
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_search_run BEFORE INSERT ON fairness_searchrun
  FOR EACH ROW EXECUTE FUNCTION candor_guard_search_run();

CREATE FUNCTION candor_guard_candidate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.uses_group_at_training AND NOT EXISTS (SELECT 1 FROM fairness_searchrun r
       JOIN fairness_search s ON s.id = r.search_id WHERE r.id = NEW.run_id AND s.reweighing) THEN
    RAISE EXCEPTION 'the protocol of this search uses no group in training' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_candidate BEFORE INSERT ON fairness_candidate
  FOR EACH ROW EXECUTE FUNCTION candor_guard_candidate();
"""

DECISIONS = """
CREATE FUNCTION candor_guard_memo() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.candidate_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM fairness_candidate c WHERE c.id = NEW.candidate_id
       AND c.run_id = NEW.run_id AND c.refused = '' AND NOT c.uses_group_at_decision) THEN
    RAISE EXCEPTION 'candidate % is not one of this run that may be adopted', NEW.candidate_id
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_memo BEFORE INSERT ON fairness_decisionmemo
  FOR EACH ROW EXECUTE FUNCTION candor_guard_memo();

CREATE FUNCTION candor_guard_search_signature() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM candor_require_right(NEW.person_id, 'sign:alternatives');
  IF EXISTS (SELECT 1 FROM fairness_search s WHERE s.id = NEW.search_id AND s.author_id = NEW.person_id)
     OR EXISTS (SELECT 1 FROM fairness_decisionmemo m JOIN fairness_searchrun r ON r.id = m.run_id
       WHERE r.search_id = NEW.search_id AND m.author_id = NEW.person_id) THEN
    RAISE EXCEPTION 'user % wrote search % or its memo and so does not sign it', NEW.person_id, NEW.search_id
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.purpose = 'memo' AND NOT EXISTS (SELECT 1 FROM fairness_decisionmemo m
       JOIN fairness_searchrun r ON r.id = m.run_id WHERE r.search_id = NEW.search_id) THEN
    RAISE EXCEPTION 'search % has no memo to sign', NEW.search_id USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_search_signature BEFORE INSERT ON fairness_searchsignature
  FOR EACH ROW EXECUTE FUNCTION candor_guard_search_signature();

CREATE FUNCTION candor_guard_search_waiver() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM candor_require_right(NEW.person_id, 'sign:alternatives');
  RETURN NEW;
END $$;
CREATE TRIGGER guard_search_waiver BEFORE INSERT ON fairness_searchwaiver
  FOR EACH ROW EXECUTE FUNCTION candor_guard_search_waiver();
"""

# Where no pack of the release is in force, the strict default is: it forbids both. Triggers run in the order of their
# names: what is forbidden is said before what is missing.
RELEASES = """
CREATE FUNCTION candor_group_use(packs jsonb, mitigation text, on_day date) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT coalesce(bool_and(coalesce(p.value->'mitigations'->>mitigation, 'forbidden') <> 'forbidden'), false)
  FROM jsonb_each(coalesce(packs, '{}'::jsonb)) p
  WHERE (p.value->>'effective_from')::date <= on_day
    AND coalesce((p.value->>'effective_until')::date > on_day, true)
$$;

CREATE FUNCTION candor_forbid_group_aware() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE used record;
BEGIN
  FOR used IN
    SELECT c.* FROM jsonb_each(coalesce(NEW.content->'model', '{}'::jsonb)) m
    JOIN fairness_candidate c ON c.model_sha256 = m.value->>'sha256'
  LOOP
    IF used.uses_group_at_decision
       AND NOT candor_group_use(NEW.content->'pack', 'group_aware_decision_time', NEW.published_at::date) THEN
      RAISE EXCEPTION 'a model that looks at groups when it decides may not go live under the packs in force'
        USING ERRCODE = 'restrict_violation';
    END IF;
    IF used.uses_group_at_training
       AND NOT candor_group_use(NEW.content->'pack', 'reweighing', NEW.published_at::date) THEN
      RAISE EXCEPTION 'a model that was trained on groups may not go live under the packs in force'
        USING ERRCODE = 'restrict_violation';
    END IF;
  END LOOP;
  RETURN NEW;
END $$;
CREATE TRIGGER forbid_group_aware BEFORE INSERT ON offers_release
  FOR EACH ROW EXECUTE FUNCTION candor_forbid_group_aware();
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("fairness", "0005_cube"),
        ("offers", "0005_approval_rights"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="Candidate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("generator", models.CharField(max_length=30)),
                ("parameters", models.JSONField()),
                ("performance", models.FloatField(null=True)),
                ("worst_ratio", models.FloatField(null=True)),
                ("figures", models.JSONField()),
                ("refused", models.TextField(blank=True)),
                ("pareto", models.BooleanField()),
                ("uses_group_at_training", models.BooleanField()),
                ("uses_group_at_decision", models.BooleanField()),
                ("model_sha256", models.CharField(blank=True, db_index=True, max_length=64)),
                ("content", models.BinaryField(null=True)),
            ],
            options={
                "ordering": ["number"],
            },
        ),
        migrations.CreateModel(
            name="IndividualCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("flip", "attribute flip"),
                            ("swap", "proxy swap"),
                            ("neighbours", "consistency of neighbours"),
                        ],
                        max_length=10,
                    ),
                ),
                ("customers", models.PositiveIntegerField()),
                ("differing", models.PositiveIntegerField()),
                ("figures", models.JSONField()),
                ("computed_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["kind", "-id"], name="check_of_kind")],
            },
        ),
        migrations.CreateModel(
            name="Search",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(choices=[("model", "model"), ("rule", "rule")], max_length=10)),
                ("subject", models.CharField(max_length=120)),
                ("protocol", models.JSONField()),
                ("sha256", models.CharField(max_length=64)),
                ("reweighing", models.BooleanField()),
                ("frozen_at", models.DateTimeField()),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="SearchRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField()),
                ("facts", models.JSONField()),
                (
                    "search",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="run", to="fairness.search"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="DecisionMemo",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("verdict", models.CharField(choices=[("adopt", "adopt"), ("keep", "keep")], max_length=10)),
                ("rationale", models.TextField()),
                ("figures", models.JSONField()),
                ("model_name", models.CharField(blank=True, max_length=60)),
                ("written_at", models.DateTimeField()),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "candidate",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="fairness.candidate",
                    ),
                ),
                (
                    "run",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="memo", to="fairness.searchrun"
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="candidate",
            name="run",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="candidates", to="fairness.searchrun"
            ),
        ),
        migrations.CreateModel(
            name="SearchSignature",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "purpose",
                    models.CharField(
                        choices=[("memo", "decision memo"), ("reweighing", "use of groups in training")], max_length=10
                    ),
                ),
                ("comment", models.TextField(blank=True)),
                ("signed_at", models.DateTimeField()),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "search",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="signatures", to="fairness.search"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SearchWaiver",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("model_name", models.CharField(db_index=True, max_length=60)),
                ("packs", models.JSONField()),
                ("reason", models.TextField()),
                ("given_at", models.DateTimeField()),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ComparatorPair",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("place", models.PositiveSmallIntegerField()),
                ("customer_id", models.BigIntegerField()),
                ("other_id", models.BigIntegerField()),
                ("figures", models.JSONField()),
                (
                    "check_of",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="pairs", to="fairness.individualcheck"
                    ),
                ),
            ],
            options={
                "ordering": ["place"],
                "constraints": [models.UniqueConstraint(fields=("check_of", "place"), name="one_pair_a_place")],
            },
        ),
        migrations.AddIndex(
            model_name="search",
            index=models.Index(fields=["kind", "subject", "-id"], name="search_of_subject"),
        ),
        migrations.AddConstraint(
            model_name="decisionmemo",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("candidate__isnull", False), ("verdict", "adopt")),
                    models.Q(("candidate__isnull", True), ("verdict", "keep")),
                    _connector="OR",
                ),
                name="adopting_names_a_candidate",
            ),
        ),
        migrations.AddConstraint(
            model_name="decisionmemo",
            constraint=models.CheckConstraint(condition=models.Q(("rationale__regex", "\\S")), name="a_memo_says_why"),
        ),
        migrations.AddConstraint(
            model_name="candidate",
            constraint=models.UniqueConstraint(fields=("run", "number"), name="one_candidate_a_number"),
        ),
        migrations.AddConstraint(
            model_name="searchsignature",
            constraint=models.UniqueConstraint(fields=("search", "purpose"), name="signed_once"),
        ),
        migrations.AddConstraint(
            model_name="searchwaiver",
            constraint=models.CheckConstraint(condition=models.Q(("reason__regex", "\\S")), name="a_waiver_says_why"),
        ),
        *(migrations.RunSQL(sql, migrations.RunSQL.noop) for sql in (APPEND_ONLY, RUNS, DECISIONS, RELEASES)),
    ]
