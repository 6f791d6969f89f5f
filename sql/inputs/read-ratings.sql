-- All ratings as they are in the files.
create or replace temp table ratings_read as
from ratings_source;
