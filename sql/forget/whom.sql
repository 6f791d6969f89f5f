-- Whom rows are looked for. A macro over variables: rows are filtered one by one, so that those that stay keep their order.
SET VARIABLE forgotten_users = $users;
SET VARIABLE forgotten_items = $items;

CREATE OR REPLACE MACRO is_forgotten(kind, id) AS coalesce(
  CASE kind
    WHEN 'user' THEN list_contains(getvariable('forgotten_users'), id)
    WHEN 'item' THEN list_contains(getvariable('forgotten_items'), id)
  END,
  false
);
