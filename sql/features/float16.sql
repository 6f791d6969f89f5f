-- DuckDB has no 16-bit floats and writes none: they are stored as their bits (IEEE 754 binary16), nearest, ties to even.
-- Adding and subtracting 2^52 rounds a double to a whole number that way. Below 2^-14 halves are multiples of 2^-24,
-- above it of 2^-10 of the power of two below; a fraction that is rounded up to 1 goes on into the exponent.
CREATE MACRO whole(y) AS (y + 4503599627370496::DOUBLE) - 4503599627370496::DOUBLE;

CREATE MACRO magnitude_bits(x, e) AS CASE
  WHEN x >= 65520 THEN error('beyond float16: ' || x)
  WHEN x < pow(2, -14) THEN whole(x * pow(2, 24))
  ELSE (e + 14) * 1024 + whole(x * pow(2, 10 - e))
END;

CREATE MACRO half_bits(x) AS
  (if(x < 0, 32768, 0) + magnitude_bits(abs(x), if(x = 0, 0, floor(log2(abs(x))))))::USMALLINT;

CREATE MACRO stored_vector(v) AS list_transform(v::DOUBLE[], lambda x: half_bits(x));
