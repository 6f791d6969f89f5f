-- Vectors that were published with publish.vectors: float16, as FLOAT[].
CREATE MACRO halves(v) AS list_transform(v::INTEGER[], lambda h: (
  if(h >= 32768, -1, 1) * if((h >> 10) & 31 = 0, (h & 1023) * pow(2, -24), (1024 + (h & 1023)) * pow(2, ((h >> 10) & 31) - 25))
)::FLOAT);
