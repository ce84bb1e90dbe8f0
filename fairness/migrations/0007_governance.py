"""The model inventory, validations, review triggers, anchors of the audit trail and packs for an examiner; and what holds
for whoever writes SQL: who developed a model does not validate it, what is signed stays, and a model goes live
documented."""

from typing import ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

APPEND_ONLY = """
CALL candor_make_append_only('fairness_modelrecord');
CALL candor_make_append_only('fairness_anchor');
CALL candor_make_append_only('fairness_modelmeasurement');
CALL candor_make_append_only('fairness_examinerpack');
CREATE TRIGGER no_delete BEFORE DELETE ON fairness_modelvalidation
  FOR EACH ROW EXECUTE FUNCTION candor_refuse_change();
REVOKE UPDATE, DELETE ON fairness_modelrecord, fairness_anchor, fairness_examinerpack, fairness_modelmeasurement
  FROM candor_serving;
REVOKE DELETE ON fairness_modelvalidation, fairness_reviewtrigger FROM candor_serving;
INSERT INTO offers_signingright (action, role) VALUES ('validate:models', 'model_risk');
"""

# A developer is whom a record names, who holds a role that a record names, or who proposed it; under another account
# with the same e-mail address too.
VALIDATIONS = """
CREATE FUNCTION candor_developed(wanted text, person integer) RETURNS boolean LANGUAGE sql STABLE AS $$
  WITH named AS (
    SELECT developer_id AS id FROM fairness_modelrecord WHERE model = wanted AND developer_id IS NOT NULL
    UNION SELECT m.user_id FROM fairness_modelrecord r JOIN auth_group g ON g.name = r.developer_role
      JOIN auth_user_groups m ON m.group_id = g.id WHERE r.model = wanted
    UNION SELECT author_id FROM offers_changerequest WHERE kind IN ('model', 'catalogue')
      AND items @> jsonb_build_array(jsonb_build_object('kind', 'model', 'key', wanted))
  )
  SELECT EXISTS (
    SELECT 1 FROM named n JOIN auth_user d ON d.id = n.id JOIN auth_user p ON p.id = person
      WHERE d.id = p.id OR (d.email <> '' AND lower(d.email) = lower(p.email)))
$$;

CREATE FUNCTION candor_guard_validation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE person integer;
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.signed_at IS NOT NULL AND (
       OLD.countersigned_by_id IS NOT NULL
       OR to_jsonb(NEW) - '{countersigned_by_id,countersigned_at}'::text[]
          IS DISTINCT FROM to_jsonb(OLD) - '{countersigned_by_id,countersigned_at}'::text[]) THEN
    RAISE EXCEPTION 'validation % is signed: it stays as it is', OLD.id USING ERRCODE = 'restrict_violation';
  END IF;
  IF TG_OP = 'UPDATE' AND (NEW.model, NEW.validator_id) IS DISTINCT FROM (OLD.model, OLD.validator_id) THEN
    RAISE EXCEPTION 'the validator of a validation is fixed' USING ERRCODE = 'restrict_violation';
  END IF;
  PERFORM candor_require_right(NEW.validator_id, 'validate:models');
  IF NEW.countersigned_by_id IS NOT NULL THEN
    PERFORM candor_require_right(NEW.countersigned_by_id, 'approve:model');
  END IF;
  FOREACH person IN ARRAY ARRAY[NEW.validator_id, NEW.countersigned_by_id] LOOP
    IF candor_developed(NEW.model, person) THEN
      RAISE EXCEPTION 'user % developed % and so does not validate it', person, NEW.model
        USING ERRCODE = 'restrict_violation';
    END IF;
  END LOOP;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_validation BEFORE INSERT OR UPDATE ON fairness_modelvalidation
  FOR EACH ROW EXECUTE FUNCTION candor_guard_validation();

CREATE FUNCTION candor_guard_developer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM fairness_modelvalidation v
    WHERE v.model = NEW.model AND NEW.developer_id IN (v.validator_id, v.countersigned_by_id);
  IF FOUND THEN
    RAISE EXCEPTION 'user % validated % and so is not its developer', NEW.developer_id, NEW.model
      USING ERRCODE = 'restrict_violation';
  END IF;
  -- A tier of less weight asks for less: that is said by model risk.
  PERFORM candor_require_right(NEW.author_id, 'validate:models') FROM fairness_modelrecord r
    WHERE r.model = NEW.model AND r.version = NEW.version - 1 AND r.tier < NEW.tier;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_developer BEFORE INSERT ON fairness_modelrecord
  FOR EACH ROW EXECUTE FUNCTION candor_guard_developer();
"""

# Only where the model is another than that of the release before; as fairness.governance.readiness has it.
RELEASES = """
CREATE FUNCTION candor_guard_documented() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE found_record fairness_modelrecord; champion text; blank text;
BEGIN
  FOR champion IN SELECT jsonb_object_keys(coalesce(NEW.content->'model', '{}')) LOOP
    CONTINUE WHEN EXISTS (
      SELECT 1 FROM offers_release r WHERE r.number = NEW.number - 1
        AND r.content->'model'->champion = NEW.content->'model'->champion);
    SELECT * INTO found_record FROM fairness_modelrecord WHERE model = champion ORDER BY version DESC LIMIT 1;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'model % is not in the inventory', champion USING ERRCODE = 'restrict_violation';
    END IF;
    SELECT field INTO blank FROM unnest('{owner,developed_by,business_user,purpose_class,purpose,intended_use,restrictions,limitations,upstream,downstream,vendor,monitoring_plan,ai_act_class,ecoa_relevance,retirement_plan}'::text[]) AS field
      WHERE trim(coalesce(found_record.content->>field, '')) = '' LIMIT 1;
    IF FOUND THEN
      RAISE EXCEPTION 'the inventory of % leaves % blank', champion, blank USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM 1 FROM fairness_modelvalidation v WHERE v.model = champion AND v.signed_at IS NOT NULL
      AND v.countersigned_by_id IS NOT NULL AND v.valid_until > NEW.published_at::date
      AND v.id = (SELECT max(id) FROM fairness_modelvalidation WHERE model = champion AND signed_at IS NOT NULL)
      AND v.conclusion IN ('approved', 'conditions');
    IF found_record.tier = 1 AND NOT FOUND THEN
      RAISE EXCEPTION 'model % is of tier 1 and has no approved validation', champion
        USING ERRCODE = 'restrict_violation';
    END IF;
  END LOOP;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_documented BEFORE INSERT ON offers_release FOR EACH ROW EXECUTE FUNCTION candor_guard_documented();
"""

# An override takes a reason: also a stop, a broken glass and a justification in SQL.
OVERRIDES = """
CREATE FUNCTION candor_guard_reason() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_TABLE_NAME = 'offers_stop' THEN
    IF trim(NEW.reason) = '' THEN
      RAISE EXCEPTION 'a stop takes a reason' USING ERRCODE = 'restrict_violation';
    END IF;
  ELSIF (NEW.broken_by_id IS NOT NULL AND trim(NEW.broken_because) = '')
     OR (NEW.justified_by_id IS NOT NULL AND trim(NEW.justification) = '') THEN
    RAISE EXCEPTION 'breaking the glass and justifying take a reason' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_reason BEFORE INSERT ON offers_stop FOR EACH ROW EXECUTE FUNCTION candor_guard_reason();
CREATE TRIGGER guard_reason BEFORE INSERT OR UPDATE ON offers_changerequest
  FOR EACH ROW EXECUTE FUNCTION candor_guard_reason();
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("fairness", "0006_alternatives"),
        ("decisioning", "0010_unserved_report"),
        ("offers", "0007_bound_evidence"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="Anchor",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sequence", models.BigIntegerField()),
                ("hash", models.CharField(max_length=64)),
                ("made_at", models.DateTimeField()),
                ("published", models.JSONField()),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="ExaminerPack",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("requested_by", models.CharField(max_length=150)),
                ("period_from", models.DateTimeField()),
                ("period_to", models.DateTimeField()),
                ("campaign", models.CharField(blank=True, max_length=120)),
                ("totals", models.JSONField()),
                ("sha256", models.CharField(max_length=64)),
                ("size", models.PositiveBigIntegerField()),
                ("made_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="ModelMeasurement",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("made_at", models.DateTimeField()),
                ("content", models.JSONField()),
                (
                    "model",
                    models.ForeignKey(
                        db_column="model",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="decisioning.modelversion",
                        to_field="name",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="ModelRecord",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.PositiveIntegerField()),
                ("tier", models.PositiveSmallIntegerField()),
                ("developer_role", models.CharField(blank=True, max_length=30)),
                ("content", models.JSONField()),
                ("note", models.TextField()),
                ("at", models.DateTimeField()),
                (
                    "author",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "developer",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "model",
                    models.ForeignKey(
                        db_column="model",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="records",
                        to="decisioning.modelversion",
                        to_field="name",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="ModelValidation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sections", models.JSONField(default=dict)),
                ("measured", models.JSONField(default=dict)),
                ("findings", models.TextField(blank=True)),
                (
                    "conclusion",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("approved", "approved"),
                            ("conditions", "approved with conditions"),
                            ("rejected", "rejected"),
                        ],
                        max_length=10,
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("signed_at", models.DateTimeField(null=True)),
                ("countersigned_at", models.DateTimeField(null=True)),
                ("valid_until", models.DateField(null=True)),
                (
                    "countersigned_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "developer",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "model",
                    models.ForeignKey(
                        db_column="model",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="validations",
                        to="decisioning.modelversion",
                        to_field="name",
                    ),
                ),
                (
                    "record",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="fairness.modelrecord"
                    ),
                ),
                (
                    "validator",
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
            name="ReviewTrigger",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=20)),
                ("detail", models.JSONField()),
                ("seen_at", models.DateTimeField()),
                (
                    "model",
                    models.ForeignKey(
                        db_column="model",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="review_triggers",
                        to="decisioning.modelversion",
                        to_field="name",
                    ),
                ),
                (
                    "settled_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="fairness.modelvalidation",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="ExaminerPackPart",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("content", models.BinaryField()),
                (
                    "pack",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="parts", to="fairness.examinerpack"
                    ),
                ),
            ],
            options={
                "ordering": ["number"],
                "constraints": [models.UniqueConstraint(fields=("pack", "number"), name="one_part_a_number")],
            },
        ),
        migrations.AddConstraint(
            model_name="modelrecord",
            constraint=models.UniqueConstraint(fields=("model", "version"), name="one_record_a_version"),
        ),
        migrations.AddConstraint(
            model_name="modelrecord",
            constraint=models.CheckConstraint(
                condition=models.Q(("tier__gte", 1), ("tier__lte", 3)), name="tier_is_one_to_three"
            ),
        ),
        migrations.AddConstraint(
            model_name="modelvalidation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("developer__isnull", True),
                    models.Q(("validator", models.F("developer")), _negated=True),
                    _connector="OR",
                ),
                name="validator_is_not_developer",
            ),
        ),
        migrations.AddConstraint(
            model_name="modelvalidation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("countersigned_by__isnull", True),
                    models.Q(
                        models.Q(("countersigned_by", models.F("validator")), _negated=True),
                        models.Q(
                            ("developer__isnull", True),
                            models.Q(("countersigned_by", models.F("developer")), _negated=True),
                            _connector="OR",
                        ),
                        ("countersigned_at__isnull", False),
                        ("signed_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="countersigned_by_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="modelvalidation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("signed_at__isnull", True),
                    models.Q(models.Q(("conclusion", ""), _negated=True), ("valid_until__isnull", False)),
                    _connector="OR",
                ),
                name="signed_with_a_conclusion",
            ),
        ),
        migrations.AddConstraint(
            model_name="modelvalidation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("signed_at__isnull", True)), fields=("model",), name="one_open_validation"
            ),
        ),
        migrations.AddConstraint(
            model_name="reviewtrigger",
            constraint=models.UniqueConstraint(
                condition=models.Q(("settled_by__isnull", True)), fields=("model", "kind"), name="one_open_trigger"
            ),
        ),
        *[migrations.RunSQL(sql, migrations.RunSQL.noop) for sql in (APPEND_ONLY, VALIDATIONS, RELEASES, OVERRIDES)],
    ]
