SELECT * FROM prompt_items
WHERE rowid >= $first AND rowid < $last
ORDER BY rowid;
