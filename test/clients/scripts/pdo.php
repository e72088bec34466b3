<?php
// Ordinary work of a PHP application with PDO.
//   pdo.php HOST PORT USER SCHEMA EMULATE BUFFERED
[, $host, $port, $user, $schema, $emulate, $buffered] = $argv;

function show(string $what, mixed $value): void
{
    echo $what, ': ', json_encode($value, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PARTIAL_OUTPUT_ON_ERROR), "\n";
}

function fails(string $what, callable $work): void
{
    try {
        $work();
        show($what, 'no error');
    } catch (PDOException $e) {
        show($what, [$e->getCode(), $e->errorInfo, $e->getMessage()]);
    }
}

// The certificate is made out to no host.
$tls = getenv('WAY_CA') ? [PDO::MYSQL_ATTR_SSL_CA => getenv('WAY_CA'), PDO::MYSQL_ATTR_SSL_VERIFY_SERVER_CERT => false] : [];
$p = new PDO("mysql:host=$host;port=$port;dbname=$schema;charset=utf8mb4", $user, getenv('MYSQL_PWD'), [
    PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
    PDO::ATTR_EMULATE_PREPARES => (bool) $emulate,
    PDO::MYSQL_ATTR_USE_BUFFERED_QUERY => (bool) $buffered,
    PDO::MYSQL_ATTR_LOCAL_INFILE => true,
    PDO::MYSQL_ATTR_COMPRESS => (bool) getenv('WAY_COMPRESSION'),
] + $tls);
show('server', [$p->getAttribute(PDO::ATTR_SERVER_VERSION), $p->getAttribute(PDO::ATTR_CLIENT_VERSION) !== '']);
$p->exec('CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(50), n DECIMAL(10,2), at DATETIME(6), b LONGBLOB) CHARACTER SET utf8mb4');

$put = $p->prepare('INSERT INTO t (s, n, at, b) VALUES (:s, :n, :at, :b)');
foreach ([['ünï 🍞', '1.50', '2024-02-29 12:34:56.5', "\0\xff'"], [null, null, null, null], ["it's \\ \"", -3, '1999-01-01', '']] as [$s, $n, $at, $b]) {
    $put->bindValue('s', $s);
    $put->bindValue('n', $n, is_int($n) ? PDO::PARAM_INT : PDO::PARAM_STR);
    $put->bindValue('at', $at);
    $put->bindParam('b', $b, PDO::PARAM_LOB);
    $put->execute();
    show('inserted', [$put->rowCount(), $p->lastInsertId()]);
}
$get = $p->prepare('SELECT id, s, n, at, HEX(b) AS hex FROM t WHERE id >= ? ORDER BY id LIMIT ?');
foreach ([[1, 2], [2, 5], [9, 1]] as [$from, $limit]) {
    $get->bindValue(1, $from, PDO::PARAM_INT);
    $get->bindValue(2, $limit, PDO::PARAM_INT);
    $get->execute();
    show("from $from", $get->fetchAll(PDO::FETCH_ASSOC));
    $get->closeCursor();
}
$get->execute();
for ($i = 0; $i < $get->columnCount(); $i++) show('column', $get->getColumnMeta($i));
$get->closeCursor();

$stream = $p->query('WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, REPEAT("y", 3000) FROM n', PDO::FETCH_NUM);
$sum = 0;
foreach ($stream as [$i, $y]) $sum += $i + strlen($y);
show('streamed', $sum);
// Left before its end.
$left = $p->query('SELECT id FROM t');
$left->fetch();
$left->closeCursor();
unset($left);

$p->beginTransaction();
$p->exec("UPDATE t SET s = 'changed' WHERE id = 1");
show('within', [$p->inTransaction(), $p->query('SELECT s FROM t WHERE id = 1')->fetchColumn()]);
$p->rollBack();
show('rolled back', [$p->inTransaction(), $p->query('SELECT s FROM t WHERE id = 1')->fetchColumn()]);
$p->beginTransaction();
show('deleted', $p->exec('DELETE FROM t WHERE id = 3'));
$p->commit();
$p->beginTransaction();
$p->exec('CREATE TABLE implicit (a INT)');
show('DDL ends a transaction', $p->inTransaction());
$p->setAttribute(PDO::ATTR_AUTOCOMMIT, false);
$p->exec("INSERT INTO t (s) VALUES ('unseen')");
$p->exec('ROLLBACK');
$p->setAttribute(PDO::ATTR_AUTOCOMMIT, true);
show('left', $p->query('SELECT COUNT(*) FROM t')->fetchColumn());

$p->exec('CREATE PROCEDURE two(IN a INT) BEGIN SELECT a AS one; SELECT a + 1 AS two, "x" AS three; END');
$call = $p->prepare('CALL two(?)');
$call->execute([5]);
do {
    show('called', [$call->columnCount(), $call->columnCount() > 0 ? $call->fetchAll(PDO::FETCH_ASSOC) : null]);
} while ($call->nextRowset());
$call->closeCursor();
if ($emulate) {
    $multi = $p->query("INSERT INTO t (s) VALUES ('multi'); SELECT LAST_INSERT_ID(); SELECT s FROM t WHERE s = 'multi'");
    do {
        show('multi', [$multi->rowCount(), $multi->columnCount() > 0 ? $multi->fetchAll(PDO::FETCH_NUM) : null]);
    } while ($multi->nextRowset());
    $multi->closeCursor();
}

$large = str_repeat('0123456789abcdef', 1_200_000);
$set = $p->prepare('UPDATE t SET b = ? WHERE id = 1');
$set->bindValue(1, $large, PDO::PARAM_LOB);
$set->execute();
show('19 MB', [$set->rowCount(), $p->query('SELECT b FROM t WHERE id = 1')->fetchColumn() === $large]);

fails('no table', fn() => $p->query('SELECT * FROM no_such_table'));
fails('no table, prepared', fn() => $p->prepare('SELECT * FROM no_such_table WHERE a = ?')->execute([1]));
fails('duplicate', fn() => $p->prepare('INSERT INTO t (id) VALUES (?)')->execute([1]));
fails('constraint', fn() => $p->exec('INSERT INTO t (id) VALUES (1)'));
show('quoted', $p->quote("a'b\\c\n"));
show('1/0', [$p->query('SELECT 1/0')->fetchColumn(), $p->query('SHOW WARNINGS')->fetchAll(PDO::FETCH_NUM)]);
$file = tempnam(sys_get_temp_dir(), 'rwsplit');
file_put_contents($file, "1000\tvom Datei\n1001\tein zweiter\n");
show('loaded', [$p->exec("LOAD DATA LOCAL INFILE '$file' INTO TABLE t (id, s)"), $p->query('SELECT id, s FROM t WHERE id >= 1000')->fetchAll(PDO::FETCH_NUM)]);
unlink($file);
$p->exec("SET @v = 'kept'");
show('session', $p->query('SELECT @v, DATABASE(), @@character_set_client')->fetch(PDO::FETCH_NUM));

// Statements kept while others run: each has its own place.
$kept = array_map(fn($n) => $p->prepare("SELECT $n + ?"), range(1, 50));
show('kept', array_sum(array_map(function ($one) {
    $one->execute([1]);
    $value = $one->fetchColumn();
    $one->closeCursor();
    return (float) $value;
}, $kept)));
