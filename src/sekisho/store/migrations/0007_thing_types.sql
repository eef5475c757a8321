-- Which things have a type is asked of the type, too.
INSERT INTO link (account, region, kind, source, target, body, created)
SELECT account, region, 'thing-type', id, body ->> 'thingTypeName', '{}', created
  FROM resource
 WHERE kind = 'thing' AND body ->> 'thingTypeName' IS NOT NULL;
