-- The statements of queries.py, by name. They move many rows in one step: see there.

-- state
SELECT json_group_array(json_array(l.id, l.key, l.created, length(l.value))),
       CAST(group_concat(l.value, '') AS BLOB)
FROM (SELECT (SELECT max(id) FROM log WHERE key = j.value) AS id FROM json_each(?) AS j) AS m
CROSS JOIN log AS l ON l.id = m.id WHERE l.id & 1 = 0

-- insert
INSERT INTO log (id, key, value, created, deadline)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'),
       iif(json_extract(value, '$[2]') IS NULL, NULL, coalesce(
           substr(?2, json_extract(value, '$[2]'), json_extract(value, '$[3]')), x'')),
       json_extract(value, '$[4]'), json_extract(value, '$[5]')
FROM json_each(?1)

-- insert_one
INSERT INTO log (id, key, value, created, deadline) VALUES (?, ?, ?, ?, ?)

-- values
SELECT CAST(group_concat(value, '') AS BLOB)
FROM (SELECT l.value AS value FROM json_each(?) AS j CROSS JOIN log AS l ON l.id = j.value ORDER BY j.key)

-- page
SELECT json_group_array(m.id), json_group_array(m.key), json_group_array(l.created),
       json_group_array(length(l.value)),
       CAST(group_concat(iif(length(l.value) <= ?5, l.value, NULL), '') AS BLOB)
FROM (SELECT key, max(id) AS id FROM log INDEXED BY log_key
      WHERE key >= ?1 AND key < ?2 AND id < ?3 GROUP BY key ORDER BY key LIMIT ?4) AS m
CROSS JOIN log AS l ON l.id = m.id

-- count
SELECT count(*) FROM (SELECT max(id) AS id FROM log INDEXED BY log_key
WHERE key >= ?1 AND key < ?2 AND id < ?3 GROUP BY key) WHERE id & 1 = 0

-- history
SELECT json_group_array(json_array(c.id, c.key, c.created, length(c.value),
                                   p.id, p.created, length(p.value)))
FROM (SELECT id, key, created, value, (SELECT max(o.id) FROM log AS o
             WHERE o.key = log.key AND o.id < log.id) AS before
      FROM log WHERE id >= ?1 AND id < ?2 AND key >= ?3 AND key < ?4 ORDER BY id LIMIT ?5) AS c
LEFT JOIN log AS p ON p.id = c.before

-- sweep_replaced
DELETE FROM log WHERE id IN (
    SELECT (SELECT max(o.id) FROM log AS o WHERE o.key = c.key AND o.id < c.id)
    FROM log AS c WHERE c.id >= ?1 AND c.id < ?2)

-- sweep_deletions
DELETE FROM log WHERE id >= ?1 AND id < ?2 AND id & 1 = 1

-- get
SELECT id, key, created, value FROM log WHERE key = ? AND id < ? ORDER BY id DESC LIMIT 1

-- deadlines
SELECT json_group_array(json_array(deadline, key, id)) FROM log WHERE deadline IS NOT NULL
