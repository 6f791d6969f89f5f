-- One row for each text that pools can be made of: where it stands, and what decides about it, but not the text itself.
-- Rows without a text, and rows that failed, are left out. The empty first part gives the columns that the files lack.
-- `digest` stands for prompt and text: md5 is the same in every version of DuckDB.
create table found as
with texts as (
  select
    null::varchar as filename,
    null::bigint as file_row_number,
    null::varchar as entity_type,
    null::varchar as cohort,
    null::varchar as prompt_id,
    null::varchar as text,
    null::varchar as finish_reason,
    null::varchar as error
  where false
  union all by name
  select *
  from read_parquet(
    $files, union_by_name = true, filename = true, file_row_number = true, hive_partitioning = false
  )
)
select
  list_position($files, filename) as file,
  file_row_number as row,
  entity_type::varchar as entity_type,
  cohort::varchar as cohort,
  prompt_id::varchar as prompt_id,
  finish_reason is null or finish_reason::varchar = 'stop' as complete,
  md5_number_lower(coalesce(prompt_id::varchar, '') || chr(10) || text) as digest,
  strlen(text) as bytes,
  regexp_matches(text, $excluded) as excluded
from texts
where regexp_matches(text, '\S') and error is null and (finish_reason is null or finish_reason::varchar <> 'error');

-- Of a prompt that was decoded several times the newest text counts: that of the last file. Texts without an id all do.
create table latest as
select * from found where prompt_id is null
union all
select *
from (select * from found where prompt_id is not null)
qualify row_number() over (
  partition by prompt_id
  order by file desc, digest desc, complete desc, entity_type desc, cohort desc, row desc
) = 1;

-- What was found, and how much of it isn't used: older texts of a prompt, and texts that the patterns keep out.
create table counts as
select
  (select count(*) from found) - (select count(*) from latest) as superseded,
  (select count(*) from latest where excluded) as excluded;

drop table found;

create table groups as
select entity_type, cohort, row_number() over (order by entity_type nulls first, cohort nulls first)::integer as number
from (select distinct entity_type, cohort from latest where not excluded);

-- `age`: 1 for texts of the newest file that the group has texts of, 2 for the one before, and so on.
create table candidates as
select
  groups.number as "group",
  file,
  row,
  complete,
  digest,
  bytes,
  dense_rank() over (partition by groups.number order by file desc) as age
from latest
join groups on groups.entity_type is not distinct from latest.entity_type
  and groups.cohort is not distinct from latest.cohort
where not excluded;

drop table latest;

select superseded::integer as superseded, excluded::integer as excluded from counts;
