"""What the console of marketing and risk records: the discussion of a change, its going live later, and break-glass."""

from typing import ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

GUARDS = """
CALL candor_make_append_only('offers_comment');

-- What is approved for later may still be withdrawn, until it is live; nothing else of a closed change moves.
CREATE OR REPLACE FUNCTION candor_guard_closed_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status = 'approved' AND NEW.status = 'withdrawn' AND OLD.go_live_at IS NOT NULL
     AND to_jsonb(NEW) - 'status' = to_jsonb(OLD) - 'status'
     AND NOT EXISTS (SELECT 1 FROM offers_release WHERE change_id = OLD.id) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'a change request that is % is closed', OLD.status USING ERRCODE = 'restrict_violation';
END $$;

CREATE OR REPLACE FUNCTION candor_guard_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'a change request is never deleted' USING ERRCODE = 'restrict_violation';
  END IF;
  IF TG_OP = 'INSERT' THEN
    IF NEW.status <> 'draft' THEN
      RAISE EXCEPTION 'a change request starts as a draft' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
  END IF;
  IF NEW.author_id <> OLD.author_id THEN
    RAISE EXCEPTION 'the author of a change request is fixed' USING ERRCODE = 'restrict_violation';
  END IF;
  IF OLD.status <> 'draft' AND (NEW.items, NEW.content_hash, NEW.kind, NEW.key)
     IS DISTINCT FROM (OLD.items, OLD.content_hash, OLD.kind, OLD.key) THEN
    RAISE EXCEPTION 'the content of a change request is frozen once it is submitted' USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.status = 'draft' AND (NEW.justified_by_id IS NOT NULL OR NEW.broken_by_id IS NOT NULL
     OR NEW.go_live_at IS NOT NULL) THEN
    RAISE EXCEPTION 'a draft carries no signature' USING ERRCODE = 'restrict_violation';
  END IF;
  IF OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN (
       ('draft', 'submitted'), ('draft', 'withdrawn'), ('submitted', 'draft'), ('submitted', 'approved'),
       ('submitted', 'rejected'), ('submitted', 'withdrawn'), ('approved', 'withdrawn')) THEN
    RAISE EXCEPTION 'a change request cannot go from % to %', OLD.status, NEW.status
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION candor_guard_glass() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM offers_evidence e JOIN offers_changerequest c ON c.id = e.change_id
    WHERE e.id = NEW.evidence_id AND e.verdict = 'not_computed'
      AND (c.broken_by_id IS NULL OR c.broken_by_id IN (c.author_id, c.checker_id) OR trim(c.broken_because) = '');
  IF FOUND THEN
    RAISE EXCEPTION 'release % has no computed evidence and no second person broke the glass', NEW.number
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_glass BEFORE INSERT ON offers_release FOR EACH ROW EXECUTE FUNCTION candor_guard_glass();
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("offers", "0003_closed_changes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="Comment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("text", models.TextField()),
                ("at", models.DateTimeField()),
                ("content_hash", models.CharField(max_length=64)),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.AddField(
            model_name="changerequest",
            name="broken_because",
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name="changerequest",
            name="broken_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="changerequest",
            name="go_live_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="changerequest",
            name="kind",
            field=models.CharField(
                choices=[
                    ("product", "product"),
                    ("offer", "offer"),
                    ("creative", "creative"),
                    ("arm", "arm"),
                    ("rule", "rule"),
                    ("boost", "boost"),
                    ("contact_policy", "contact_policy"),
                    ("ranking", "ranking"),
                    ("placement", "placement"),
                    ("model", "model"),
                    ("rollback", "rollback"),
                    ("catalogue", "catalogue"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="changerequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("broken_by__isnull", True),
                    models.Q(
                        models.Q(("broken_by", models.F("author")), _negated=True),
                        models.Q(
                            ("checker__isnull", True),
                            models.Q(("checker", models.F("broken_by")), _negated=True),
                            _connector="OR",
                        ),
                    ),
                    _connector="OR",
                ),
                name="glass_is_broken_by_two",
            ),
        ),
        migrations.AddField(
            model_name="comment",
            name="author",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="comment",
            name="change",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="discussion", to="offers.changerequest"
            ),
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
