-- Fails where the pattern is no regular expression.
select regexp_matches('', $pattern) as matches;
