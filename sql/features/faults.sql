-- What makes a text no use, of one text.
-- repetitive: at least 20 words, and fewer distinct runs of four words than half of all. Words are what white space
-- parts: a text in a script without spaces is one word, and never counts.
CREATE MACRO words_of(text) AS regexp_extract_all(lower(text), '\S+');

CREATE MACRO is_repetitive(words) AS len(words) >= 20 AND 2 * len(list_distinct(list_transform(
  range(1, len(words) - 2), lambda i: hash(words[i], words[i + 1], words[i + 2], words[i + 3])
))) < len(words) - 3;

-- Of framework rlmrec: no JSON with both keys.
CREATE MACRO is_unparsable(text) AS CASE
  WHEN json_valid(text) THEN NOT (json_exists(text, '$.summarization') AND json_exists(text, '$.reasoning'))
  ELSE true
END;
