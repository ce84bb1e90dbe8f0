"""Findings: opened by the machine, settled by people, closed by somebody else."""

from typing import ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

GUARDS = """
CREATE FUNCTION candor_guard_finding() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR OLD.status = 'closed' THEN
    RAISE EXCEPTION 'a finding is never deleted, and one that is closed stays as it is' USING ERRCODE = 'restrict_violation';
  END IF;
  IF (NEW.kind, NEW.subject, NEW.opened_at, NEW.id) IS DISTINCT FROM (OLD.kind, OLD.subject, OLD.opened_at, OLD.id) THEN
    RAISE EXCEPTION 'what a finding is about is fixed' USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.status = 'closed' THEN
    IF OLD.status <> 'remedied' THEN
      RAISE EXCEPTION 'a finding is remedied before it is closed' USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM candor_require_right(NEW.closed_by_id, 'close:findings');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_finding BEFORE UPDATE OR DELETE ON fairness_finding
  FOR EACH ROW EXECUTE FUNCTION candor_guard_finding();
CALL candor_make_append_only('fairness_findingevent');
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("fairness", "0003_proxies"),
        ("offers", "0009_signatures"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="Finding",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=30)),
                ("subject", models.CharField(max_length=300)),
                ("title", models.CharField(max_length=300)),
                ("cause", models.TextField(blank=True)),
                (
                    "severity",
                    models.CharField(choices=[("high", "high"), ("medium", "medium"), ("low", "low")], max_length=6),
                ),
                ("evidence", models.JSONField()),
                (
                    "status",
                    models.CharField(
                        choices=[("open", "open"), ("remedied", "waits for sign-off"), ("closed", "closed")],
                        default="open",
                        max_length=8,
                    ),
                ),
                ("owner_role", models.CharField(max_length=30)),
                ("due_on", models.DateField()),
                ("opened_at", models.DateTimeField()),
                ("last_seen_at", models.DateTimeField()),
                ("times_seen", models.PositiveIntegerField(default=1)),
                ("root_cause", models.TextField(blank=True)),
                ("remediation", models.TextField(blank=True)),
                ("closed_at", models.DateTimeField(null=True)),
                ("closing_note", models.TextField(blank=True)),
                (
                    "closed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "remedied_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "stop",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="offers.stop"
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="FindingEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("actor", models.CharField(max_length=150)),
                ("what", models.CharField(max_length=30)),
                ("detail", models.JSONField()),
                (
                    "finding",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="history", to="fairness.finding"
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.AddIndex(
            model_name="finding",
            index=models.Index(fields=["status", "-id"], name="fairness_fi_status_a69552_idx"),
        ),
        migrations.AddConstraint(
            model_name="finding",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "closed"), _negated=True),
                fields=("kind", "subject"),
                name="one_open_finding",
            ),
        ),
        migrations.AddConstraint(
            model_name="finding",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "closed"), _negated=True),
                    models.Q(
                        ("closed_at__isnull", False),
                        ("closed_by__isnull", False),
                        ("remedied_by__isnull", False),
                        models.Q(("closed_by", models.F("remedied_by")), _negated=True),
                        models.Q(("root_cause", ""), _negated=True),
                        models.Q(("remediation", ""), _negated=True),
                        models.Q(("closing_note", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="closed_by_another",
            ),
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
