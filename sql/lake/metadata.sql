-- The JSON that a Parquet file of ours keeps under the key `dare`.
select decode(value) as value
from parquet_kv_metadata($file)
where decode(key) = 'dare';
