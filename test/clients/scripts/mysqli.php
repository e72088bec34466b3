<?php
// Ordinary work of a PHP application with mysqli.
//   mysqli.php HOST PORT USER SCHEMA
[, $host, $port, $user, $schema] = $argv;
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$ca = getenv('WAY_CA');
// The certificate is made out to no host.
$way = ($ca ? MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT : 0) | (getenv('WAY_COMPRESSION') ? MYSQLI_CLIENT_COMPRESS : 0);

function show(string $what, mixed $value): void
{
    echo $what, ': ', json_encode($value, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PARTIAL_OUTPUT_ON_ERROR), "\n";
}

/** What a statement of the client's fails with. */
function fails(string $what, callable $work): void
{
    try {
        $work();
        show($what, 'no error');
    } catch (mysqli_sql_exception $e) {
        show($what, [$e->getCode(), $e->getSqlState(), $e->getMessage()]);
    }
}

$c = mysqli_init();
$c->options(MYSQLI_OPT_LOCAL_INFILE, true);
$c->options(MYSQLI_INIT_COMMAND, "SET SESSION sql_mode = 'STRICT_ALL_TABLES'");
if ($ca) $c->ssl_set(null, null, $ca, null, null);
$c->real_connect($host, $user, getenv('MYSQL_PWD'), $schema, (int) $port, null, MYSQLI_CLIENT_FOUND_ROWS | $way);
$c->set_charset('utf8mb4');
show('server', [$c->server_info, $c->server_version, $c->protocol_version, $c->character_set_name(), $c->get_charset()->collation]);

$c->query('CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, i TINYINT, u BIGINT UNSIGNED, f FLOAT, d DOUBLE, n DECIMAL(20,4), s VARCHAR(50), at DATETIME(6), day DATE, dur TIME(2), y YEAR, b BIT(10), j JSON, e ENUM("a","b"), bl LONGBLOB) CHARACTER SET utf8mb4');
show('created', [$c->affected_rows, $c->warning_count, $c->info, $c->sqlstate]);

// Prepared: every type by every bind.
$put = $c->prepare('INSERT INTO t (i, u, f, d, n, s, at, day, dur, y, b, j, e, bl) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
$rows = [
    [-5, '18446744073709551615', 1.5, -2.25, '123456.7891', 'ünï 🍞', '2024-02-29 12:34:56.789012', '2024-02-29', '-838:59:58.99', 2024, 513, '{"a": [1, null]}', 'b', "\0\xff"],
    [null, null, null, null, null, null, null, null, null, null, null, null, null, null],
    [127, 0, 0, 0, '0', '', '1000-01-01', '9999-12-31', '00:00:01', 1901, 0, '[]', 'a', ''],
];
foreach ($rows as $row) {
    $put->bind_param('isddssssssisss', ...$row);
    $put->execute();
    show('inserted', [$put->affected_rows, $put->insert_id, $c->insert_id, $put->param_count]);
}
$get = $c->prepare('SELECT id, i, u, f, d, n, s, at, day, dur, y, b, j, e, HEX(bl) FROM t WHERE id >= ? ORDER BY id');
foreach ([1, 2, '3', 99] as $from) {
    $get->execute([$from]);
    $result = $get->get_result();
    show("prepared from $from", $result->fetch_all());
}
show('fields', array_map(fn($f) => [$f->name, $f->orgtable, $f->db, $f->type, $f->length, $f->charsetnr, $f->flags, $f->decimals], $result->fetch_fields()));
show('text', $c->query('SELECT id, i, u, f, d, n, s, at, day, dur, y, b + 0, j, e, HEX(bl) FROM t ORDER BY id')->fetch_all());

// Bound results, stored and not.
$get = $c->prepare('SELECT id, s FROM t ORDER BY id');
foreach ([true, false] as $stored) {
    $get->execute();
    $get->bind_result($id, $s);
    if ($stored) {
        $get->store_result();
        show('rows', $get->num_rows);
        $get->data_seek(1);
    }
    while ($get->fetch()) show('bound', [$id, $s]);
    $get->free_result();
}

// A cursor on the server, fetched row by row, with another statement in between.
$cursor = $c->prepare('WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) SELECT i, REPEAT("z", i) FROM n');
$cursor->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY);
$cursor->execute();
$cursor->bind_result($i, $z);
$sum = 0;
while ($cursor->fetch()) {
    $sum += $i + strlen($z);
    if ($i === 100) show('in between', $c->query('SELECT COUNT(*) FROM t')->fetch_row());
}
$cursor->close();
show('by a cursor', $sum);

// Long data in pieces, and reset.
$long = $c->prepare('UPDATE t SET bl = ? WHERE id = ?');
$id = 2;
$null = null;
$long->bind_param('bi', $null, $id);
foreach (range(1, 40) as $piece) $long->send_long_data(0, str_repeat(chr($piece), 50_000));
$long->execute();
show('long data', [$long->affected_rows, $c->query('SELECT LENGTH(bl), SHA2(bl, 256) FROM t WHERE id = 2')->fetch_row()]);
$long->send_long_data(0, 'forgotten');
$long->reset();
$long->send_long_data(0, 'kept');
$long->execute();
show('after reset', $c->query('SELECT bl FROM t WHERE id = 2')->fetch_row());
$large = str_repeat('0123456789abcdef', 1_100_000);
$set = $c->prepare('UPDATE t SET bl = ? WHERE id = 3');
$set->execute([$large]);
show('17 MB', [$c->query('SELECT SHA2(bl, 256) FROM t WHERE id = 3')->fetch_row()[0] === hash('sha256', $large), $c->query('SELECT bl FROM t WHERE id = 3')->fetch_row()[0] === $large]);
$back = $c->prepare('SELECT bl FROM t WHERE id = ?');
$back->execute([3]);
show('17 MB prepared', $back->get_result()->fetch_row()[0] === $large);

// Several statements in one; unbuffered results.
$c->multi_query("INSERT INTO t (s) VALUES ('multi'); SELECT LAST_INSERT_ID(); SELECT s FROM t WHERE s = 'multi'; UPDATE t SET i = 1 WHERE s = 'multi'; SELECT 1/0; SHOW WARNINGS");
do {
    $result = $c->use_result();
    show('multi', [$result ? $result->fetch_all() : null, $c->affected_rows, $c->warning_count]);
    if ($result) $result->free();
} while ($c->more_results() && $c->next_result());
fails('multi with an error', function () use ($c) {
    $c->multi_query('SELECT 1; SELECT * FROM no_such_table; SELECT 3');
    do {
        if ($r = $c->store_result()) show('before the error', $r->fetch_all());
    } while ($c->next_result());
});
$use = $c->query('WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, REPEAT("y", 3000) FROM n', MYSQLI_USE_RESULT);
$sum = 0;
foreach ($use as $row) $sum += $row['i'] ?? reset($row);
$use->free();
show('unbuffered', $sum);
$use = $c->query('SELECT id FROM t', MYSQLI_USE_RESULT);
$use->fetch_row();
fails('out of sync', fn() => $c->query('SELECT 1'));
$use->free();

// Procedures.
$c->query('CREATE PROCEDURE two(IN a INT, OUT o INT) BEGIN SELECT a; SELECT a + 1; SET o = a + 2; END');
$c->multi_query('CALL two(5, @o)');
do {
    if ($r = $c->store_result()) {
        show('called', $r->fetch_all());
        $r->free();
    }
} while ($c->more_results() && $c->next_result());
show('out', $c->query('SELECT @o')->fetch_row());
$call = $c->prepare('CALL two(?, @p)');
$call->execute([7]);
do {
    if ($r = $call->get_result()) show('called prepared', $r->fetch_all());
} while ($call->more_results() && $call->next_result());
$call->close();
show('out', $c->query('SELECT @p')->fetch_row());

// Transactions.
$c->begin_transaction();
$c->query("UPDATE t SET s = 'changed' WHERE id = 1");
$c->savepoint('a');
$c->query("UPDATE t SET s = 'again' WHERE id = 1");
show('within', $c->query('SELECT s FROM t WHERE id = 1')->fetch_row());
$c->query('ROLLBACK TO a');
show('to the savepoint', $c->query('SELECT s FROM t WHERE id = 1')->fetch_row());
$c->rollback();
show('rolled back', $c->query('SELECT s FROM t WHERE id = 1')->fetch_row());
$c->begin_transaction(MYSQLI_TRANS_START_READ_ONLY | MYSQLI_TRANS_START_WITH_CONSISTENT_SNAPSHOT);
show('read only', $c->query('SELECT COUNT(*) FROM t')->fetch_row());
fails('write in it', fn() => $c->query('DELETE FROM t'));
$c->commit();
$c->autocommit(false);
$c->query("DELETE FROM t WHERE s = 'multi'");
show('deleted', $c->affected_rows);
$c->commit();
$c->autocommit(true);
$c->query('UPDATE t SET i = i WHERE id <= 2');
show('found rows', [$c->affected_rows, $c->info]);

// Warnings and errors.
$c->query('SELECT 1/0, CAST("x" AS SIGNED)');
$warning = $c->get_warnings();
do {
    show('warning', [$warning->errno, $warning->sqlstate, $warning->message]);
} while ($warning->next());
$prepared = $c->prepare('SELECT CAST(? AS SIGNED)');
$prepared->execute(['12x']);
$prepared->get_result();
show('prepared warnings', [$c->warning_count, $c->query('SHOW COUNT(*) WARNINGS')->fetch_row(), $c->query('SHOW WARNINGS')->fetch_all()]);
fails('no table', fn() => $c->query('SELECT * FROM no_such_table'));
fails('syntax', fn() => $c->query('SELEKT 1'));
fails('prepare', fn() => $c->prepare('SELECT FROM'));
fails('duplicate', fn() => $c->query('INSERT INTO t (id) VALUES (1)'));
fails('strict', fn() => $c->query('INSERT INTO t (i) VALUES (1000)'));
fails('too few values', fn() => $c->prepare('SELECT ?, ?')->execute());
$gone = $c->prepare('SELECT s FROM t WHERE id = 1');
$c->query('ALTER TABLE t DROP COLUMN f');
$gone->execute();
show('after ALTER', $gone->get_result()->fetch_row());
$gone->close();

// A file, with a set of columns.
$file = tempnam(sys_get_temp_dir(), 'rwsplit');
file_put_contents($file, "1000\tvom Datei\n1001\tein zweiter\nzu wenig\n");
$c->query("LOAD DATA LOCAL INFILE '$file' IGNORE INTO TABLE t (id, s)");
show('loaded', [$c->affected_rows, $c->info, $c->query('SELECT id, s FROM t WHERE id >= 1000')->fetch_all()]);
unlink($file);

// What belongs to the session.
$c->query("SET @v = 'kept', time_zone = '+05:30', sql_mode = ''");
show('session', $c->query('SELECT @v, @@time_zone, @@sql_mode, DATABASE()')->fetch_row());
$c->query('CREATE TEMPORARY TABLE tmp (a INT)');
$c->query('INSERT INTO tmp VALUES (1), (2)');
show('temporary', $c->query('SELECT SUM(a) FROM tmp')->fetch_row());
show('lock', [$c->query("SELECT GET_LOCK('rwsplit-php', 1)")->fetch_row(), $c->query("SELECT RELEASE_LOCK('rwsplit-php')")->fetch_row()]);
show('id', (int) $c->query('SELECT CONNECTION_ID()')->fetch_row()[0] > 0);
$c->select_db('information_schema');
show('schema', $c->query('SELECT DATABASE()')->fetch_row());
$c->select_db($schema);
$c->set_charset('latin1');
show('latin1', [bin2hex($c->query('SELECT s FROM t WHERE id = 1')->fetch_row()[0]), $c->query('SELECT @@character_set_client, @@character_set_results')->fetch_row(), $c->real_escape_string("a'\\\n")]);
show('stat', preg_replace('/[\d.]+/', 'N', $c->stat()));
show('ping', @$c->ping());
$c->refresh(0);
// Nothing of the session is left for the next user.
$c->change_user($user, getenv('MYSQL_PWD'), 'information_schema');
show('changed user', $c->query("SELECT @v, @@time_zone = '+05:30', @@sql_mode = '', DATABASE(), @@autocommit")->fetch_row());
fails('temporary no more', fn() => $c->query("SELECT * FROM $schema.tmp"));
$c->change_user($user, getenv('MYSQL_PWD'), $schema);
show('and back', [$c->query('SELECT COUNT(*) > 0 FROM t')->fetch_row(), $c->query('INSERT INTO t (s) VALUES ("after")'), $c->insert_id]);
fails('wrong user', fn() => $c->change_user($user, 'wrong', $schema));
fails('after it', fn() => $c->query('SELECT 1'));
$c->close();

// Two sessions, asked at once.
$pair = array_map(function () use ($host, $port, $user, $schema, $way) {
    $one = mysqli_init();
    $one->real_connect($host, $user, getenv('MYSQL_PWD'), $schema, (int) $port, null, $way);
    return $one;
}, [1, 2]);
foreach ($pair as $n => $one) $one->query("SELECT $n, SLEEP(0.05)", MYSQLI_ASYNC);
foreach ($pair as $one) show('async', $one->reap_async_query()->fetch_row());
// A user variable keeps the session on one connection, whose number then says who is meant.
$pair[1]->query('SET @kept = 1');
$killed = $pair[1]->query('SELECT CONNECTION_ID()')->fetch_row()[0];
// Servers before 9.0 have the command; there is nobody of this number.
fails('COM_PROCESS_KILL', fn() => $pair[0]->kill(2147483647));
$pair[0]->query("KILL $killed");
// The server ends the other session in its own time; in which words depends on whether it had a statement under way.
try {
    for ($i = 0; $i < 1000; $i++) $pair[1]->query('DO SLEEP(0.01)');
} catch (mysqli_sql_exception $e) {
    show('killed', in_array($e->getCode(), [1317, 2006, 2013, 4031]));
}
