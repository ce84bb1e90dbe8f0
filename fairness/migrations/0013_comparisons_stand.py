"""A stored comparison is replaced by a new audit and changed by nobody; how figures are computed stands once an audit."""

from typing import ClassVar

from django.db import migrations, models

METHODS = """
UPDATE fairness_fairnessaudit SET methods = found.methods FROM (
  SELECT DISTINCT ON (audit_id) audit_id, methods FROM fairness_cubecomparison) found
WHERE found.audit_id = fairness_fairnessaudit.id;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("fairness", "0012_strict_default")]

    operations: ClassVar = [
        migrations.AddField("fairnessaudit", "methods", models.JSONField(default=dict)),
        migrations.RunSQL(METHODS, migrations.RunSQL.noop),
        migrations.RemoveField("cubecomparison", "methods"),
        migrations.RunSQL("REVOKE UPDATE ON fairness_cubecomparison FROM candor_serving", migrations.RunSQL.noop),
    ]
