-- delivery.record takes each result once; the old one would stay beside the new one.
drop function if exists delivery.record(text, bigint[], bigint[], integer[], delivery.delivery_status[], delivery.outcome_class[], text[], text[],
  text[], text[], text[], bigint[], boolean[], boolean[], integer[], text[]);
-- It tells one more thing: whether there is something to mark.
drop function if exists delivery.sweep_range(bigint, integer, bigint, bigint, integer);
