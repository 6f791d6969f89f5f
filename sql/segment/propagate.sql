-- One side's vectors times the degree-normalised matrix: the other side's. The normalisation factorises into a scale
-- for each node, so the sums run over whole numbers: components in units of 2^-44, weights up to 2^16.
create or replace temp table {{to_vectors}} as
with fixed as (
  select
    vectors.node as node,
    cast(round(columns('^z\d+$') / sqrt(nodes.degree) * 17592186044416) as bigint)
  from {{from_vectors}} as vectors
  join {{from_nodes}} as nodes on nodes.node = vectors.node
),
summed as (
  select edges.{{to_node}} as node, sum(edges.weight * columns('^z\d+$'))
  from edges
  join fixed on fixed.node = edges.{{from_node}}
  group by edges.{{to_node}}
)
select nodes.node as node, cast(columns('^z\d+$') as double) / 17592186044416 / sqrt(nodes.degree)
from summed
join {{to_nodes}} as nodes on nodes.node = summed.node;
