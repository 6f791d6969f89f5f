-- The prompts of a first round: the first 32 bits of their ids' md5, as a share of all numbers, lie below it (src/decode/rounds.ts).
copy (
  select *
  from read_parquet($from)
  where cast('0x' || md5(prompt_id)[:8] as ubigint) / 4294967296.0 < $share
  order by prompt_id
) to $copy (format parquet);
