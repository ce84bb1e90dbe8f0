"""Start and end of an offer as columns, for the calendar and the list's filters: read from content at first, and from
then on written with each release."""

from django.db import migrations, models

FILL = """
UPDATE offers_offer
   SET starts_at = (content ->> 'starts_at')::timestamptz, ends_at = (content ->> 'ends_at')::timestamptz
 WHERE content ->> 'starts_at' IS NOT NULL OR content ->> 'ends_at' IS NOT NULL;
"""


class Migration(migrations.Migration):
    dependencies = [("offers", "0005_approval_rights")]

    operations = [
        migrations.AddField("offer", "starts_at", models.DateTimeField(null=True)),
        migrations.AddField("offer", "ends_at", models.DateTimeField(null=True)),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        # Indexed once they are filled: a table with pending trigger events cannot be altered in the same transaction.
        migrations.AlterField("offer", "starts_at", models.DateTimeField(db_index=True, null=True)),
        migrations.AlterField("offer", "ends_at", models.DateTimeField(db_index=True, null=True)),
    ]
