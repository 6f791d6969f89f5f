-- Every user's vector times a 16 x 16 matrix ($rotation: its columns, as text). In a variable it is one constant; joined
-- to the rows it would be copied for each of them.
set variable rotation = cast($rotation as double[16][16]);

create or replace temp table user_vectors as
with packed as (
  select
    node,
    array_value(z0, z1, z2, z3, z4, z5, z6, z7, z8, z9, z10, z11, z12, z13, z14, z15) as v
  from user_vectors
)
select
  node,
  array_inner_product(v, getvariable('rotation')[1]) as z0,
  array_inner_product(v, getvariable('rotation')[2]) as z1,
  array_inner_product(v, getvariable('rotation')[3]) as z2,
  array_inner_product(v, getvariable('rotation')[4]) as z3,
  array_inner_product(v, getvariable('rotation')[5]) as z4,
  array_inner_product(v, getvariable('rotation')[6]) as z5,
  array_inner_product(v, getvariable('rotation')[7]) as z6,
  array_inner_product(v, getvariable('rotation')[8]) as z7,
  array_inner_product(v, getvariable('rotation')[9]) as z8,
  array_inner_product(v, getvariable('rotation')[10]) as z9,
  array_inner_product(v, getvariable('rotation')[11]) as z10,
  array_inner_product(v, getvariable('rotation')[12]) as z11,
  array_inner_product(v, getvariable('rotation')[13]) as z12,
  array_inner_product(v, getvariable('rotation')[14]) as z13,
  array_inner_product(v, getvariable('rotation')[15]) as z14,
  array_inner_product(v, getvariable('rotation')[16]) as z15
from packed;
