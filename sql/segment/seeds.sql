-- Start of the subspace iteration: z0 is the trivial first component (roots of the degrees), the others are hashes.
-- Lengths are at most 1.
create or replace temp macro seed(id, k, users) as
  (cast(md5_number_lower(concat(id, ':', k)) as double) / 18446744073709551616 - 0.5) / sqrt(users);

create or replace temp table user_vectors as
select
  node,
  sqrt(degree / total) as z0,
  seed(id, 1, users) as z1,
  seed(id, 2, users) as z2,
  seed(id, 3, users) as z3,
  seed(id, 4, users) as z4,
  seed(id, 5, users) as z5,
  seed(id, 6, users) as z6,
  seed(id, 7, users) as z7,
  seed(id, 8, users) as z8,
  seed(id, 9, users) as z9,
  seed(id, 10, users) as z10,
  seed(id, 11, users) as z11,
  seed(id, 12, users) as z12,
  seed(id, 13, users) as z13,
  seed(id, 14, users) as z14,
  seed(id, 15, users) as z15
from user_nodes
cross join (select count(*) as users, cast(sum(cast(degree as bigint)) as double) as total from user_nodes);
