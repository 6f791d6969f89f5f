{#
  Writes the model as <folder>/<model>-<partition>.parquet: one fixed file, replaced as a whole, its rows in order, so
  that the same rows give the same file. Not dbt-duckdb's materialization `external`: that writes a row of NULLs where
  a model has no rows.
#}
{% macro write_parquet(folder) -%}
  copy (select * from {{ this }} order by all)
  to '{{ folder }}/{{ this.identifier }}-{{ var("partition") }}.parquet' (format parquet, compression zstd)
{%- endmacro %}
