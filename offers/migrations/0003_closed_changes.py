"""What was decided about a change stays as it was decided, a failing verdict needs its justification also here, and a
new release is a new epoch: no decision made under the release before it is committed after it."""

from typing import ClassVar

from django.db import migrations

CHANGES = """
CREATE FUNCTION candor_guard_closed_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a change request that is % is closed', OLD.status USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER guard_closed_change BEFORE UPDATE ON offers_changerequest FOR EACH ROW
  WHEN (OLD.status IN ('approved', 'rejected', 'withdrawn')) EXECUTE FUNCTION candor_guard_closed_change();

CREATE FUNCTION candor_guard_verdict() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM offers_evidence e JOIN offers_changerequest c ON c.id = e.change_id
    WHERE e.id = NEW.evidence_id AND e.verdict = 'fail'
      AND (c.justified_by_id IS NULL OR c.justified_by_id IN (c.author_id, c.checker_id) OR trim(c.justification) = '');
  IF FOUND THEN
    RAISE EXCEPTION 'release % fails its evidence and no third person has justified it', NEW.number
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_verdict BEFORE INSERT ON offers_release FOR EACH ROW EXECUTE FUNCTION candor_guard_verdict();
"""

EPOCH = """
CREATE FUNCTION candor_release_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE offers_stopepoch SET epoch = epoch + 1;
  RETURN NULL;
END $$;
CREATE TRIGGER release_made AFTER INSERT ON offers_release FOR EACH ROW EXECUTE FUNCTION candor_release_made();

CREATE FUNCTION candor_guard_epoch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.epoch <= OLD.epoch THEN
    RAISE EXCEPTION 'the epoch only rises' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_epoch BEFORE UPDATE ON offers_stopepoch FOR EACH ROW EXECUTE FUNCTION candor_guard_epoch();
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("offers", "0002_guards")]

    operations: ClassVar = [migrations.RunSQL(sql, migrations.RunSQL.noop) for sql in (CHANGES, EPOCH)]
