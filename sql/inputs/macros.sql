-- How texts and numbers of the files are understood; NULL where they can't be.
-- Whole numbers as times: dates (20260928), which would be seconds of August 1970 else; seconds, milliseconds, microseconds or
-- nanoseconds since 1970 in UTC, told apart by size.
create or replace temp macro time_of_number(n) as
  case when n between 19000101 and 20991231 then try_strptime(cast(n as varchar), '%Y%m%d')
  else make_timestamp(case
    when abs(n) < 100000000000 then n * 1000000
    when abs(n) < 100000000000000 then n * 1000
    when abs(n) < 100000000000000000 then n
    else n // 1000 end) end;

-- Times are in UTC. A cast to TIMESTAMP drops an offset ("+02:00") silently, so texts with one go by TIMESTAMPTZ.
create or replace temp macro time_of_text(t) as
  case
    when regexp_matches(t, ':\d{2}(\.\d+)?\s*[+-]\d{2}(:?\d{2})?$') then timezone('UTC', try_cast(t as timestamptz))
    else coalesce(
      case when isfinite(try_cast(t as timestamp)) then try_cast(t as timestamp) end,
      time_of_number(try_cast(t as bigint))
    )
  end;

create or replace temp macro number_of(x) as
  case when isfinite(try_cast(x as double)) then try_cast(x as double) end;

-- Whether a text is exactly how a whole number is written: "7", but neither "007" nor "7.0".
create or replace temp macro is_whole_number(t) as
  coalesce(cast(try_cast(t as bigint) as varchar) = t, false);
