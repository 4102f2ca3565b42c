// Package s3backup keeps the backups of one MySQL or MariaDB server in an S3 bucket, and proves that they can be
// restored.
//
//	store := s3backup.Store{S3: client, Bucket: "backups", Site: "shop", Recipients: []age.Recipient{key}}
//	manifest, err := store.Backup(ctx, s3backup.Dump{}, s3backup.Options{})
//	…
//	store.Identities = []age.Identity{identity}
//	restored, err := store.Restore(ctx, s3backup.Select{}, s3backup.Target{Replace: true})
//
// A backup is one stream: mariadb-dump or mysqldump → zstd → age → S3 multipart. No temporary file, bounded memory, one
// consistent snapshot with its position in the binary log, and no table lock on InnoDB. The dump program talks to its
// server through a relay; when it has said goodbye, the relay asks in the very same session, and so in the very same
// snapshot, for each table's rows and checksum. The tests run it on MariaDB 11.8 and, in full, 10.11 and MySQL 9.7.
//
// # What is in the bucket
//
//	PREFIX SITE/backups/20261124T015512.345Z-1a2b3c/dump.sql.zst.age   the content (dump.sql.zst without recipients)
//	PREFIX SITE/backups/20261124T015512.345Z-1a2b3c/manifest.json      written last, by a conditional put
//	PREFIX SITE/backups/20261124T015512.345Z-1a2b3c/verdict_20261124T043000.120Z.json   what a Verify found; the last one counts
//
// Where there is no manifest there is no backup: an interrupted run is invisible, and a later one sweeps it. The
// manifest is for people too; its fields are those of Manifest:
//
//	{
//	  "format": "siteblocks-backup/1", "site": "shop", "id": "20261124T015512.345Z-1a2b3c",
//	  "started": "2026-11-24T01:55:12.345Z", "finished": "2026-11-24T01:55:14.002Z",
//	  "kind": "sql", "tool": "mariadb-dump from 11.8.9-MariaDB, client 10.19; siteblocks/s3backup (devel)",
//	  "server": {"flavor": "mariadb", "version": "11.8.9-MariaDB", "host": "db-1", "id": 1},
//	  "databases": ["shop"], "position": {"file": "binlog.000004", "offset": 4711, "gtid": "0-1-97"},
//	  "content": {"bytes": 36300000, "longest": 1046528}, "compression": "zstd", "encryption": "age", "recipients": ["age1…"],
//	  "object": {
//	    "name": "dump.sql.zst.age", "bytes": 9718176, "sha256": "9f86…",
//	    "chunks": [{"bytes": 8388608, "sha256": "60f3…"}, {"bytes": 1329568, "sha256": "fd61…"}]
//	  },
//	  "tables": [{"database": "shop", "name": "entries", "engine": "InnoDB", "rows": 2000, "checksum": "checksum:2154883",
//	              "definition": "ab53…"}],
//	  "objects": [{"database": "shop", "views": 2, "triggers": 1, "routines": 2, "events": 1}],
//	  "definers": [{"database": "shop", "kind": "VIEW", "name": "latest", "account": "shop@localhost"}]
//	}
//
// The content can be checked, decrypted and restored without this package:
//
//	jq -r '.object.sha256 + "  " + .object.name' manifest.json | sha256sum -c
//	age -d -i key.txt dump.sql.zst.age | zstd -d | mariadb --comments
//
// By hand the script runs with the rights of whoever runs it, and nothing is looked at: see below.
// Without --comments the client cuts a trigger or a routine in two at a comment within its body. A dump of MariaDB needs
// MariaDB's own client, for its first line is not known to others; `sed 1d` takes that away.
//
// # What is refused
//
// A dump that fails, that ends without its trailer, or that shrank by more than a stated share; a chunk that is
// truncated, changed or in another's place; a manifest of another site; a wrong key; a clock that is off; restored data
// whose checksums are not the snapshot's. After any error, and after a kill at any moment, the backups that were there
// are listed and unharmed, and a database that was to be replaced is as it was, or is put back by the next Restore.
//
// # What a restore changes
//
// What was verified good restores, into the server it came from and into one that has nothing of it; what would be
// different is named when the backup is made:
//
//   - A view that its server cannot use any more, or that it refuses to show, is left out, with its definition in the
//     manifest (Left). The rest is backed up.
//   - A view, trigger, routine or event whose text Restore would refuse, see below, is left out in the same way. Backup reads
//     its script as Restore will, so that nobody who may make one makes every later backup useless. What cannot be left out,
//     such as a table of an engine that leads elsewhere, a warning names: that backup is restored by hand.
//   - A view upon a view whose definer is gone cannot be made. Verify's scratch server gets stand-ins of the accounts that
//     the backup names; a server that is restored into needs them, as it needs all accounts.
//   - A foreign key to a table that is not there stays, and a warning says so: it refuses new rows.
//   - A foreign key that leads out of the backup stays, though where there is no such table it refuses new rows. One that
//     leads into it from a database that stays leads to the new table afterwards; Restore refuses, before it changes
//     anything, where rows would find nothing there.
//   - An event that is to happen once, or that has an end, is gone once that time has passed.
//   - Tables of MyISAM, Aria, MEMORY and other engines without transactions are no part of the snapshot, and are dumped
//     without a lock. They are compared if nobody wrote to them meanwhile.
//   - A server with enforce_storage_engine set takes no backup: it would change the tables' engines.
//   - A row that takes a statement of more than a gigabyte, which a value of half a gigabyte does, cannot be restored.
//   - Of a table WITH SYSTEM VERSIONING the earlier rows are in the backup, unless the dump program cannot dump them
//     (MariaDB's can from 10.11). They go into a server of the same kind: MariaDB 11.5 counts time otherwise than 11.4.
//     No table's are in a backup with a table whose rows are dated by transactions: mariadb-dump refuses those.
//   - Of a FLOAT the server prints six digits, and so a backup keeps six. DOUBLE keeps all.
//
// Databases are loaded under names such as sbnew-5b84d2a0f1c3e697-0a1b2c, in which the middle stands for the database's own
// name, so that every name restores. Of a name with more underscores than a grant has room to escape, Restore refuses to
// give rights that would go for another database, too; there is hardly ever such a one.
//
// Limits that a server sets its sessions, its sql_mode and its max_allowed_packet change nothing: the sessions of a dump and
// of a restore are set as these need them. For a statement longer than max_allowed_packet Restore raises that for the
// moment in which it connects, as it does wherever it is below 16 MiB. Rights on tables, columns and routines of a database that is replaced stay.
//
// # Who may delete
//
// Nothing of a backup is ever written over: each object is created by a conditional put. That keeps an honest machine from
// it. What keeps whoever has a server's credentials from it is the store. They need s3:PutObject, never s3:DeleteObject, and:
//
//   - versitygw, the S3 server of the laptop: Store.Retain, in a bucket that was made with object lock. Nobody writes over
//     a locked object; Prune deletes one with credentials that may bypass the lock, which no server has.
//   - Amazon's S3: a policy of the bucket that denies s3:PutObject below the backups to all under the condition
//     {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}. Object lock there goes with
//     versions: another version of an object can be put, and the one that is locked stays.
//     Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
//
// The list compares sizes with the manifests: a backup whose content was written over is bad, by name. Nothing of this keeps
// whoever has a server's credentials from adding false backups and false verdicts. But only the store says when an object
// came into it, and a name is believed no further than the store agrees:
//
//   - What is of a later time than the store's (ErrAhead) is never chosen, takes no other backup's place and stops none from
//     being made. Status warns of it, and Prune deletes it. A verdict of a later time does not count.
//   - What came into the store more than a day after its time (ErrLate) is not chosen and takes no place either. It stays,
//     for in a bucket that was copied all backups are such: Select.Late restores one, Retention.Late lets them go.
//   - Prune goes past an object lock only for what came into the store at its own time, and for the above.
//   - A refuted backup keeps its place in the rules, so that no verdict makes it go. Find says which newer ones it passed over.
//
// A false backup of the present time remains one that nobody can tell. The list shows which were verified, and Find says so
// where an older one was and the newest was not.
//
// # What a restore runs
//
// A backup is a script, and into a script others can write: whoever may make a routine, a view or a comment on a table.
// Restore and Verify take nothing in it on trust.
//
// It is read as its server reads it, under the sql_mode and the character set that it has set by then, so that a
// delimiter within quotes or a comment ends nothing. What mariadb-dump and mysqldump do not write is refused with
// ErrScript before it is run: GRANT, SET GLOBAL, USE of another database, a name with a database before it, rows that are
// not literals, tables of engines that lead elsewhere (FEDERATED, CONNECT, SPIDER) or with a DATA DIRECTORY. So is a body
// of which servers of different versions find the end in different places, and one that ends in a comment which hides the
// delimiter. So are quotes in an optimizer hint that not every server would close in the same place, unless the server has
// no hints. Each statement goes to the server by itself; the connection does not allow several in one.
//
// It is loaded by an account of its own, s3backup_load_…, that exists for that time only, has a random password and may be
// used from where the restore runs. Tables and rows are loaded with all rights on the fresh databases, and REFERENCES, for
// foreign keys that lead out of the backup, and where the server has an init_connect CONNECTION ADMIN, so that its sessions
// begin without. For views, triggers, routines and events it gets all rights on the databases
// that are restored, SET USER (MySQL: SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER, SYSTEM_USER), SELECT and EXECUTE where a
// view shows another database, and SUPER where the server asks for it, to make triggers and functions while it writes a
// binary log and does not trust their creators. It is not in the binary log, and what a killed restore leaves of it the
// next one drops. A Server.User who may not make accounts or give rights loads with its own, and a warning says so.
//
// A DEFINER is an account with whose rights something runs later. One that holds rights beyond the restored databases, as
// root does, is accepted where the manifest states the very object with it, as the server's own tables had it while the
// backup was made, or where the server has it already; everything else is ErrDefiner. An application with rights on its
// own database could not have made it. Target.TrustDefiners accepts it, which a backup of before manifests stated definers
// needs on a server that does not have them. What a definer may do is not looked at again afterwards.
//
// Verify's scratch server runs as a user that nobody else is, in a mount and a network namespace of its own where there is
// nothing but its directory and, to be read, the programs, without capabilities, and first to go where memory runs out.
// Where the machine does not allow namespaces a warning says so, and the user remains.
//
// # What it costs
//
// 461 MB of SQL (2,330,000 rows) on a busy machine of two cores, MariaDB 10.11, all in one run. CPU is that of what stands
// between the dump program and the bucket; mydumper is both. This package encrypts, hashes and uploads besides, and reads
// the tables a second time for their checksums; the others write to a file. Since these were measured it also reads its
// own script as Restore does, which takes about 1.5 s of CPU more for as much SQL. Of rows in lines of more than 32 MiB it
// does not look at the text.
//
//	                           CPU  dump CPU   memory     size     wall
//	s3backup                 3.7 s     3.0 s   40 MiB   173 MB   31.1 s
//	s3backup, Unmeasured     3.7 s     3.0 s   40 MiB   173 MB   16.3 s
//	mariadb-dump | gzip -6  13.6 s     3.0 s    2 MiB   209 MB   38.9 s
//	mariadb-dump | zstd -1   2.3 s     3.2 s   14 MiB   171 MB   16.8 s
//	mariadb-dump | zstd -3   3.6 s     3.1 s   44 MiB   189 MB   17.7 s
//	mydumper -t 1 -c        13.7 s              8 MiB   209 MB   42.6 s
//
// # What it does not do
//
// Accounts are not in a backup: they are configuration. A manifest is not signed: that nobody has written over it is the
// store's business, see Retain.
package s3backup
