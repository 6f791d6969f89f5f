-- The ratings that the pipeline sees.
copy (select * exclude (new_item, part) from read_parquet($events) where part = 'history') to $out (format parquet);
