-- Names and types of the columns of a list of Parquet files, in the files' order.
select column_name, column_type
from (describe select * from read_parquet($files, union_by_name = true));
