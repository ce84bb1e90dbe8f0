"""Roles that nobody holds together, also for whoever writes SQL. A later change of these pairs is a migration of its own."""

from typing import ClassVar

from django.db import migrations

# As offers.roles.APART has it; tests/offers/test_roles.py compares the two. Locking the person's row makes two grants
# at the same moment see each other.
APART = """
CREATE TABLE offers_rolesapart (role varchar(150) NOT NULL, other varchar(150) NOT NULL, PRIMARY KEY (role, other));
REVOKE INSERT, UPDATE, DELETE ON offers_rolesapart FROM candor_serving;

INSERT INTO offers_rolesapart (role, other)
  SELECT 'auditor', name FROM unnest(ARRAY['marketing_author', 'marketing_lead', 'risk_author', 'risk_approver',
    'compliance', 'model_risk', 'operator']) AS name
  UNION ALL VALUES ('model_risk', 'risk_author'), ('model_risk', 'risk_approver');

DO $$
DECLARE clashing text;
BEGIN
  SELECT string_agg(DISTINCT u.username, ', ') INTO clashing FROM auth_user u
    JOIN auth_user_groups m ON m.user_id = u.id JOIN auth_group g ON g.id = m.group_id
    JOIN auth_user_groups n ON n.user_id = u.id JOIN auth_group h ON h.id = n.group_id
    JOIN offers_rolesapart pair ON pair.role = g.name AND pair.other = h.name;
  IF clashing IS NOT NULL THEN
    RAISE EXCEPTION 'roles that are kept apart are held together by %: revoke one with manage.py person first', clashing;
  END IF;
END $$;

CREATE FUNCTION candor_guard_roles_apart() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM auth_user WHERE id = NEW.user_id FOR NO KEY UPDATE;
  PERFORM 1 FROM offers_rolesapart pair
    WHERE EXISTS (SELECT 1 FROM auth_user_groups m JOIN auth_group g ON g.id = m.group_id
                  WHERE m.user_id = NEW.user_id AND g.name = pair.role)
      AND EXISTS (SELECT 1 FROM auth_user_groups m JOIN auth_group g ON g.id = m.group_id
                  WHERE m.user_id = NEW.user_id AND g.name = pair.other);
  IF FOUND THEN
    RAISE EXCEPTION 'user % would hold two roles that are kept apart', NEW.user_id USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER guard_roles_apart AFTER INSERT OR UPDATE ON auth_user_groups
  FOR EACH ROW EXECUTE FUNCTION candor_guard_roles_apart();

CREATE FUNCTION candor_guard_role_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a role keeps its name, and no group becomes one' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER guard_role_names BEFORE UPDATE OF name ON auth_group
  FOR EACH ROW WHEN (OLD.name <> NEW.name) EXECUTE FUNCTION candor_guard_role_names();
"""

BACK = """
DROP TRIGGER guard_role_names ON auth_group;
DROP FUNCTION candor_guard_role_names();
DROP TRIGGER guard_roles_apart ON auth_user_groups;
DROP FUNCTION candor_guard_roles_apart();
DROP TABLE offers_rolesapart;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("offers", "0009_signatures"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations: ClassVar = [migrations.RunSQL(APART, BACK)]
