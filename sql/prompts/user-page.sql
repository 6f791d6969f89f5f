SELECT * FROM prompt_users
WHERE rowid >= $first AND rowid < $last
ORDER BY rowid;
