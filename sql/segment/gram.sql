-- The Gram matrix's upper half: inner products of components a and b >= a as columns g<a>_z<b>; exact sums in units of
-- 2^-52.
with inner_products as (
  select
    cast(sum(cast(round(z0 * columns('^z([0-9]|1\d)$') * 4503599627370496) as bigint)) as double) as 'g0_\0',
    cast(sum(cast(round(z1 * columns('^z([1-9]|1\d)$') * 4503599627370496) as bigint)) as double) as 'g1_\0',
    cast(sum(cast(round(z2 * columns('^z([2-9]|1\d)$') * 4503599627370496) as bigint)) as double) as 'g2_\0',
    cast(sum(cast(round(z3 * columns('^z([3-9]|1\d)$') * 4503599627370496) as bigint)) as double) as 'g3_\0',
    cast(sum(cast(round(z4 * columns('^z([4-9]|1\d)$') * 4503599627370496) as bigint)) as double) as 'g4_\0',
    cast(sum(cast(round(z5 * columns('^z([5-9]|1\d)$') * 4503599627370496) as bigint)) as double) as 'g5_\0',
    cast(sum(cast(round(z6 * columns('^z([6-9]|1\d)$') * 4503599627370496) as bigint)) as double) as 'g6_\0',
    cast(sum(cast(round(z7 * columns('^z([7-9]|1\d)$') * 4503599627370496) as bigint)) as double) as 'g7_\0',
    cast(sum(cast(round(z8 * columns('^z([8-9]|1\d)$') * 4503599627370496) as bigint)) as double) as 'g8_\0',
    cast(sum(cast(round(z9 * columns('^z([9-9]|1\d)$') * 4503599627370496) as bigint)) as double) as 'g9_\0',
    cast(sum(cast(round(z10 * columns('^z1[0-5]$') * 4503599627370496) as bigint)) as double) as 'g10_\0',
    cast(sum(cast(round(z11 * columns('^z1[1-5]$') * 4503599627370496) as bigint)) as double) as 'g11_\0',
    cast(sum(cast(round(z12 * columns('^z1[2-5]$') * 4503599627370496) as bigint)) as double) as 'g12_\0',
    cast(sum(cast(round(z13 * columns('^z1[3-5]$') * 4503599627370496) as bigint)) as double) as 'g13_\0',
    cast(sum(cast(round(z14 * columns('^z1[4-5]$') * 4503599627370496) as bigint)) as double) as 'g14_\0',
    cast(sum(cast(round(z15 * columns('^z1[5-5]$') * 4503599627370496) as bigint)) as double) as 'g15_\0'
  from user_vectors
)
select columns('^g') / 4503599627370496
from inner_products;
