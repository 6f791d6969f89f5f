-- The fingerprint of the tokenizer that wrote the texts.
SELECT content ->> '$.run.tokenizer' AS tokenizer
FROM manifests
WHERE stage = 'decode';
