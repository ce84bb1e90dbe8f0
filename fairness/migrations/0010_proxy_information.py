"""How much a clause tells of a group beside its attribute; estimated groups in the vault, as probabilities; and counts by
group for whoever may not see people, of groups of twenty and more."""

from typing import ClassVar

from django.db import migrations, models

ESTIMATES = """
CREATE TABLE vault.estimate (
  customer_id bigint NOT NULL,
  attribute varchar(30) NOT NULL,
  "group" varchar(60) NOT NULL,
  probability double precision NOT NULL CHECK (probability BETWEEN 0 AND 1),
  method varchar(30) NOT NULL,
  version varchar(30) NOT NULL,
  vintage varchar(30) NOT NULL,
  known_at timestamptz NOT NULL,
  PRIMARY KEY (customer_id, attribute, "group")
);
GRANT SELECT, INSERT, UPDATE, DELETE ON vault.estimate TO candor_vault;
"""

# The view reads with its owner's rights; a birth date is no group, and a group of few would tell of people.
COUNTS = """
CREATE VIEW fairness_groupcount AS
  SELECT attribute, value AS "group", count(*) AS people FROM vault.protected_attribute
  WHERE attribute <> 'birth_date' GROUP BY attribute, value HAVING count(*) >= 20;
REVOKE ALL ON fairness_groupcount FROM candor_serving, candor_vault;
GRANT SELECT ON fairness_groupcount TO candor_serving;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("fairness", "0009_causes"),
    ]

    operations: ClassVar = [
        migrations.AddField("proxystrength", "clause", models.CharField(max_length=64, blank=True, default="")),
        migrations.AlterField("proxystrength", "clause", models.CharField(max_length=64, blank=True)),
        migrations.AddField("proxystrength", "mutual_information", models.FloatField(default=0.0)),
        migrations.AlterField("proxystrength", "mutual_information", models.FloatField()),
        migrations.RemoveConstraint("proxystrength", "one_strength_per_group"),
        migrations.AddConstraint(
            "proxystrength",
            models.UniqueConstraint(
                name="one_strength_per_group", fields=["attribute", "clause", "protected", "group"]
            ),
        ),
        migrations.RunSQL(ESTIMATES, migrations.RunSQL.noop),
        migrations.RunSQL(COUNTS, migrations.RunSQL.noop),
    ]
