-- Tokens of the longest prompt, where the file says what they are.
select max(prompt_tokens)::integer as longest from read_parquet($file);
