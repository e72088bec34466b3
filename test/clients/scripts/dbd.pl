# Ordinary work of a Perl application.
#   dbd.pl HOST PORT USER SCHEMA SERVER_PREPARE
use strict;
use warnings;
use DBI;
use utf8;
binmode STDOUT, ':utf8';
my ($host, $port, $user, $schema, $prepare) = @ARGV;
my $way = $ENV{WAY_COMPRESSION} ? ';mysql_compression=1' : '';
my $h = DBI->connect(
    "DBI:mysql:database=$schema;host=$host;port=$port;mysql_server_prepare=$prepare$way",
    $user, $ENV{MYSQL_PWD}, { RaiseError => 1, PrintError => 0, AutoCommit => 1, mysql_enable_utf8mb4 => 1 });

sub show {
    my ($what, @rows) = @_;
    print "$what: ", join(' | ', map { join(',', map { $_ // 'NULL' } @$_) } @rows), "\n";
}

$h->do('CREATE TABLE p (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50), price DECIMAL(10,2), at DATETIME(3), data LONGBLOB) CHARACTER SET utf8mb4');
my $insert = $h->prepare('INSERT INTO p (name, price, at, data) VALUES (?, ?, ?, ?)');
my @rows = (['Käse', '12.50', '2024-02-29 12:34:56.789', "\0\1\xff"], ['🍞', '0.99', undef, undef], ["it's", '-1', '1999-12-31 00:00:00', '']);
for (@rows) {
    print 'affected ', $insert->execute(@$_), ' id ', $h->last_insert_id(undef, undef, undef, undef), " $h->{mysql_insertid}\n";
}
show 'all', @{ $h->selectall_arrayref('SELECT id, name, price, at, HEX(data) FROM p ORDER BY id') };
my $select = $h->prepare('SELECT name, price FROM p WHERE id = ? OR name = ?');
for (1 .. 3) {
    $select->execute($_, undef);
    print join(',', @{ $select->{NAME} }), ' ', join(',', @{ $select->{mysql_type_name} }), "\n";
    show "by id $_", @{ $select->fetchall_arrayref };
}

$h->begin_work;
$h->do('UPDATE p SET price = price + 1 WHERE id = ?', undef, 1);
show 'within', $h->selectrow_arrayref('SELECT price FROM p WHERE id = 1');
$h->rollback;
show 'rolled back', $h->selectrow_arrayref('SELECT price FROM p WHERE id = 1');
$h->begin_work;
my $changed = $h->do('DELETE FROM p WHERE id IN (2, 3)');
$h->commit;
print "deleted $changed\n";
show 'left', @{ $h->selectall_arrayref('SELECT id FROM p') };

$h->{AutoCommit} = 0;
$h->do("INSERT INTO p (name) VALUES ('unseen')");
show 'without autocommit', $h->selectrow_arrayref('SELECT COUNT(*) FROM p');
$h->rollback;
$h->{AutoCommit} = 1;
show 'with autocommit', $h->selectrow_arrayref('SELECT COUNT(*) FROM p');

my $use = $h->prepare('WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, REPEAT("y", 2000) FROM n', { mysql_use_result => 1, mysql_server_prepare => 0 });
$use->execute;
my ($sum, $length) = (0, 0);
while (my $row = $use->fetchrow_arrayref) { $sum += $row->[0]; $length += length $row->[1]; }
print "streamed $sum $length\n";

my $blob = join '', map { chr($_ % 256) } 1 .. 3_000_000;
$h->{mysql_enable_utf8mb4} = 0;
my $put = $h->prepare('UPDATE p SET data = ? WHERE id = 1');
$put->bind_param(1, $blob, DBI::SQL_BLOB);
$put->execute;
show 'blob', $h->selectrow_arrayref('SELECT LENGTH(data), SHA2(data, 256) FROM p WHERE id = 1');
print 'back ', ($h->selectrow_array('SELECT data FROM p WHERE id = 1'))[0] eq $blob ? "the same\n" : "another\n";
$h->{mysql_enable_utf8mb4} = 1;

for my $sql ('SELECT * FROM no_such_table', 'SELEKT 1', 'INSERT INTO p (id) VALUES (1)') {
    eval { $h->do($sql) };
    print $h->err, ' ', $h->state, ' ', $h->errstr, "\n";
}
$h->do('SELECT 1/0');
print "warnings $h->{mysql_warning_count}\n";
show 'warnings', @{ $h->selectall_arrayref('SHOW WARNINGS') };
print "info ", $h->do("UPDATE p SET name = 'x'"), " $h->{mysql_info}\n";
show 'tables', @{ $h->selectall_arrayref('SHOW TABLES') };
print join(',', $h->tables), "\n";
print 'key ', join(',', $h->primary_key(undef, $schema, 'p')), "\n";
$h->do('SET @x = 17');
show 'variable', $h->selectrow_arrayref('SELECT @x, DATABASE()');
print 'ping ', $h->ping, "\n";
$h->disconnect;
