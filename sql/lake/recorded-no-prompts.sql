-- No prompts beside those in the recorded texts.
create temp table asked (prompt_id varchar, prompt varchar, messages struct(role varchar, content varchar)[]);
