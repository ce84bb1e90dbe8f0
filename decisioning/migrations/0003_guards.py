"""Models and checkpoints keep their bytes, and whatever forbids contact raises the sequence that decisions compare."""

from typing import ClassVar

from django.db import migrations

BYTES = """
CALL candor_make_append_only('decisioning_posterior');
REVOKE UPDATE, DELETE ON decisioning_posterior FROM candor_serving;

CREATE FUNCTION candor_guard_model() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a trained model keeps its bytes; only its status changes' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER guard_model BEFORE UPDATE ON decisioning_modelversion FOR EACH ROW
  WHEN ((NEW.name, NEW.sha256, NEW.content) IS DISTINCT FROM (OLD.name, OLD.sha256, OLD.content))
  EXECUTE FUNCTION candor_guard_model();
CREATE TRIGGER no_delete BEFORE DELETE ON decisioning_modelversion
  FOR EACH ROW EXECUTE FUNCTION candor_refuse_change();
REVOKE DELETE ON decisioning_modelversion FROM candor_serving;
"""

# An insert only grants, and a copy that does not know it yet denies. The order of customers keeps two batches from
# waiting for each other.
SEQUENCE = """
CREATE FUNCTION candor_contact_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO decisioning_capledger AS held (customer_id, sequence, contacts)
  SELECT DISTINCT customer_id, 1, '{}'::jsonb FROM changed ORDER BY customer_id
  ON CONFLICT (customer_id) DO UPDATE SET sequence = held.sequence + 1;
  RETURN NULL;
END $$;
CREATE TRIGGER consent_changed AFTER UPDATE ON decisioning_consent REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION candor_contact_changed();
CREATE TRIGGER consent_removed AFTER DELETE ON decisioning_consent REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION candor_contact_changed();

CREATE FUNCTION candor_suppression_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO decisioning_capledger AS held (customer_id, sequence, contacts)
  SELECT now.id, 1, '{}'::jsonb FROM after now JOIN before USING (id)
  WHERE (now.suppressed, now.erased_at, now.external_id) IS DISTINCT FROM
        (before.suppressed, before.erased_at, before.external_id) ORDER BY now.id
  ON CONFLICT (customer_id) DO UPDATE SET sequence = held.sequence + 1;
  RETURN NULL;
END $$;
CREATE TRIGGER suppression_changed AFTER UPDATE ON decisioning_customer
  REFERENCING OLD TABLE AS before NEW TABLE AS after
  FOR EACH STATEMENT EXECUTE FUNCTION candor_suppression_changed();
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("decisioning", "0002_partitions")]

    operations: ClassVar = [migrations.RunSQL(sql, migrations.RunSQL.noop) for sql in (BYTES, SEQUENCE)]
