-- Rows $start (from 0) up to but not including $stop of the sorted recorded texts.
select
  prompt_id, entity_type, entity_id, framework, cohort, text, prompt, messages, finish_reason, output_token_ids,
  second_ids, second_costs
from read_parquet($sorted, file_row_number = true)
where file_row_number >= $start and file_row_number < $stop
order by file_row_number;
