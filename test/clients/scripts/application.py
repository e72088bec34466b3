# Ordinary work of a Python application.
#   application.py HOST PORT USER SCHEMA
import datetime, decimal, hashlib, os, sys, tempfile, warnings
import pymysql
from pymysql.constants import CLIENT
from pymysql.cursors import DictCursor, SSCursor, SSDictCursor

host, port, user, schema = sys.argv[1:5]

ca = os.environ.get('WAY_CA')
# The certificate is made out to no host.
way = {'ssl': {'ca': ca, 'check_hostname': False}} if ca else {}

def connect(**options):
    login = {'user': user, 'password': os.environ['MYSQL_PWD'], 'database': schema}
    return pymysql.connect(host=host, port=int(port), **way, **{**login, **options})

def fails(what, work):
    try:
        work()
        print(what, 'no error')
    except pymysql.MySQLError as e:
        print(what, type(e).__name__, e.args)

c = connect(charset='utf8mb4', local_infile=True, client_flag=CLIENT.MULTI_STATEMENTS)
print(c.get_server_info(), c.character_set_name(), c.get_proto_info(), c.server_language, c.server_status)

k = c.cursor()
k.execute('CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, i BIGINT, n DECIMAL(20,4), f DOUBLE, s VARCHAR(100), b LONGBLOB, at DATETIME(6), day DATE, dur TIME, j JSON, bits BIT(12)) CHARACTER SET utf8mb4')
rows = [
    (-2**63, decimal.Decimal('1234.5678'), 1.25, 'ünï 🍞', b'\x00\xff\'"', datetime.datetime(2024, 2, 29, 12, 34, 56, 789), datetime.date(1999, 12, 31), datetime.timedelta(hours=-30), '{"a": 1}', 5),
    (None,) * 10,
    (0, 0, 0, '', b'', None, None, None, '[]', 0),
]
print(k.executemany('INSERT INTO t (i, n, f, s, b, at, day, dur, j, bits) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)', rows), k.rowcount, k.lastrowid)
print(k.execute('SELECT * FROM t ORDER BY id'), k.fetchall())
print(k.description)
k.execute('SELECT COUNT(*) FROM t')
print('before commit', k.fetchone())
c.rollback()
k.execute('SELECT COUNT(*) FROM t')
print('rolled back', k.fetchone())
k.executemany('INSERT INTO t (i, n, f, s, b, at, day, dur, j, bits) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)', rows)
c.commit()
c.autocommit(True)
print(k.executemany('UPDATE t SET i = %s WHERE id = %s', [(n, n + 3) for n in range(3)]))

d = c.cursor(DictCursor)
d.execute('SELECT id, s FROM t WHERE i = %(i)s OR s = %(s)s ORDER BY id', {'i': 1, 's': "it's"})
print(d.fetchall())
k.execute("SELECT s, HEX(s), LENGTH(s) FROM t WHERE s LIKE %s", ('ünï%',))
print(k.fetchall())

with c.cursor(SSCursor) as s:
    s.execute('WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, REPEAT("y", 3000) FROM n')
    print('streamed', sum(r[0] + len(r[1]) for r in s))
with c.cursor(SSDictCursor) as s:
    s.execute('SELECT id FROM t ORDER BY id')
    print(s.fetchone(), s.fetchmany(1))
# It was left before its end.
k.execute('SELECT 1')
print(k.fetchone())

k.execute('CREATE PROCEDURE two(IN a INT, OUT o INT) BEGIN SELECT a; SELECT a + 1, "x"; SET o = a + 2; END')
k.callproc('two', (5, 0))
while True:
    print('called', k.fetchall(), k.rowcount)
    if not k.nextset(): break
k.execute('SELECT @_two_0, @_two_1')
print(k.fetchall())
k.execute("INSERT INTO t (s) VALUES ('multi'); SELECT LAST_INSERT_ID() > 0; SELECT s FROM t WHERE s = 'multi'; SELECT 1/0; SHOW WARNINGS")
while True:
    print('multi', k.fetchall(), k.rowcount)
    if not k.nextset(): break
k.execute('SELECT 1; SELECT * FROM no_such_table; SELECT 3')
print(k.fetchall())
fails('second of three', k.nextset)

with tempfile.NamedTemporaryFile('w', suffix='.tsv') as f:
    f.write('1000\tvom Datei\n1001\tein zweiter\n')
    f.flush()
    print('loaded', k.execute(f"LOAD DATA LOCAL INFILE '{f.name}' INTO TABLE t (id, s)"))
fails('no file', lambda: k.execute("LOAD DATA LOCAL INFILE '/no/such/file' INTO TABLE t (id, s)"))
k.execute('SELECT id, s FROM t WHERE id >= 1000')
print(k.fetchall())

for size in (0, 250, 251, 65535, 65536, 2**24 - 1, 2**24 - 6, 2**24, 20_000_000):
    blob = (bytes(range(256)) * (size // 256 + 1))[:size]
    k.execute('REPLACE INTO t (id, b) VALUES (2000, _binary %s)', (blob,))
    k.execute('SELECT LENGTH(b), SHA2(b, 256), b FROM t WHERE id = 2000')
    length, digest, back = k.fetchone()
    print(size, length, digest == hashlib.sha256(blob).hexdigest(), back == blob)
for length in (2**24 - 2, 2**24 - 1, 2**24):
    text = 'SELECT 1 /*' + 'x' * (length - 1 - 13) + '*/'
    k.execute(text)
    print('a statement of', len(text) + 1, k.fetchone())
k.execute('SELECT ' + ', '.join(f'{n} AS c{n}' for n in range(1000)))
print(len(k.description), sum(k.fetchone()))

fails('no table', lambda: k.execute('SELECT * FROM no_such_table'))
fails('syntax', lambda: k.execute('SELEKT 1'))
fails('duplicate', lambda: k.execute('INSERT INTO t (id) VALUES (1000)'))
fails('null', lambda: k.execute('INSERT INTO t (id, j) VALUES (1, "no json")'))
fails('signal', lambda: k.execute("CREATE PROCEDURE bad() SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'eigener Fehler', MYSQL_ERRNO = 7777; CALL bad()") or k.nextset())
fails('no schema', lambda: c.select_db('no_such_schema'))
fails('interrupted', lambda: k.execute('SELECT /*+ MAX_EXECUTION_TIME(50) */ COUNT(*) FROM information_schema.columns a, information_schema.columns b, information_schema.columns d'))
with warnings.catch_warnings(record=True):
    k.execute('SELECT CAST("x" AS SIGNED)')
    print(k.fetchall(), c.show_warnings())
k.execute("SET @v = 'kept', time_zone = '+05:30'")
k.execute('SELECT @v, @@time_zone, @@autocommit, DATABASE()')
print(k.fetchone())
c.begin()
k.execute('SELECT id FROM t WHERE id = 1000 FOR UPDATE')
print(k.fetchone(), c.server_status & 1)
c.commit()
print(c.server_status & 1, c.insert_id(), c.affected_rows())
c.ping(reconnect=False)
c.select_db('information_schema')
k.execute('SELECT DATABASE()')
print(k.fetchone())
c.select_db(schema)

latin = connect(charset='latin1')
with latin.cursor() as l:
    l.execute('INSERT INTO t (id, s) VALUES (3000, %s)', ('Größe',))
    l.execute('SELECT s, HEX(s), @@character_set_client FROM t WHERE id = 3000')
    print(l.fetchone())
    l.execute('SELECT _utf8mb4 0xF09F8D9E')
    print(l.fetchone())
latin.commit()
latin.close()
for options in ({'sql_mode': 'ANSI_QUOTES'}, {'init_command': "SET @a = 'first'"}, {'client_flag': CLIENT.FOUND_ROWS}, {'read_timeout': 30, 'program_name': 'application'}):
    o = connect(**options)
    with o.cursor() as l:
        l.execute('SELECT @a, @@sql_mode, @@collation_connection')
        print(l.fetchone(), l.execute('UPDATE t SET id = id WHERE id = 3000'))
    o.close()
    fails('closed', lambda: o.ping(reconnect=False))
fails('wrong schema', lambda: connect(database='no_such_schema'))
fails('wrong password', lambda: connect(database=None, password='wrong'))
fails('no such user', lambda: connect(database=None, user='nobody', password='wrong'))
other = connect()
# Servers before 9.0 have the command; there is nobody of this number.
fails('COM_PROCESS_KILL', lambda: c.kill(2**31))
with other.cursor() as l:
    # A user variable keeps the session on one connection, whose number then says who is meant.
    l.execute('SET @kept = 1')
    l.execute('SELECT CONNECTION_ID()')
    k.execute('KILL %s', l.fetchone())
def until_killed():
    with other.cursor() as l:
        for _ in range(1000): l.execute('DO SLEEP(0.01)')
try:
    until_killed()
    print('not killed')
except pymysql.MySQLError as e:
    print('killed', e.args[0] in (1053, 2006, 2013, 4031, 1317))
c.close()
