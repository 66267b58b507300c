-- It tells the hour of the expiry too: what is left of it, added to a clock, is another hour at every attempt.
drop function if exists delivery.claim(text, integer, bigint, bigint, bigint[], integer[]);
