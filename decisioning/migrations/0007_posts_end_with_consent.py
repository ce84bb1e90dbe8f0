"""Posts go in the transaction that ends the consent that they stand on, whoever ends it (GDPR Article 17(1)(b))."""

from typing import ClassVar

from django.db import migrations

# A post that is being stored holds a lock on the consent: whoever ends it waits, and deletes that post too.
FORGET = """
CREATE FUNCTION candor_posts_end_with_consent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM decisioning_post post USING ended
  WHERE ended.purpose = 'personalisation' AND ended.channel = 'advanced' AND ended.customer_id = post.customer_id
    AND NOT EXISTS (SELECT FROM decisioning_consent held WHERE held.customer_id = post.customer_id
      AND held.purpose = 'personalisation' AND held.channel = 'advanced' AND held.granted);
  RETURN NULL;
END $$;
CREATE TRIGGER posts_end_with_consent AFTER UPDATE ON decisioning_consent REFERENCING OLD TABLE AS ended
  FOR EACH STATEMENT EXECUTE FUNCTION candor_posts_end_with_consent();
CREATE TRIGGER posts_end_without_consent AFTER DELETE ON decisioning_consent REFERENCING OLD TABLE AS ended
  FOR EACH STATEMENT EXECUTE FUNCTION candor_posts_end_with_consent();
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("decisioning", "0006_activity_forest")]

    operations: ClassVar = [migrations.RunSQL(FORGET, migrations.RunSQL.noop)]
