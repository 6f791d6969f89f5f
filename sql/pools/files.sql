-- The files that a path or glob names, by name.
select file from glob($pattern) order by file;
