# Root does what only root can: it keeps the lock, makes Root itself and gives the linked directories to the user who writes
# there. All else below Root is done with its owner's rights, as its owner could put a link in the way of whatever root does.
[ -n "$writer" ] || writer=$owner
id -- "$owner" >/dev/null
id -- "$writer" >/dev/null
lock -w 60 || die 'another installation has been running for a minute'

# others_write tells whether somebody else than root could put a link where root is about to make Root.
others_write() {
	[ "$(realpath -m -- "$root")" = "$root" ] || return 0
	above=$root
	while [ "$above" != / ]; do
		above=$(dirname "$above")
		[ ! -e "$above" ] || [ -z "$(find "$above" -prune \( ! -uid 0 -o -perm /022 \))" ] || return 0
	done
	return 1
}
if [ ! -d "$root" ] && ! as "$owner" mkdir -p "$root" 2>/dev/null; then
	! others_write || die "the way to $root can be changed by others than root: make the folder and give it to $owner"
	mkdir -p "$root"
	chown "$owner:$group" "$root"
fi
as "$owner" test -w "$root" || die "$root cannot be written by $owner: give it to that user"
as "$owner" mkdir -p "$root/releases" "$root/shared"
sweep

# A linked directory that is new belongs to who writes there. It is changed from within: no link can be put in its place.
give() {
	cd -P -- "$root/shared/$1" || exit 1
	[ "$(stat -c %U .)" != "$owner" ] || [ -n "$(ls -A .)" ] || chown "$writer" .
}

# written tells whether the user who writes to the linked directories could change what a linked file holds.
written() { as "$writer" /bin/sh -c '
	p=$1
	while [ ! -w "$p" ]; do
		[ "$p" != "$2" ] || exit 1
		p=$(dirname "$p")
	done' sh "$root/shared/$1" "$root/shared"; }

# Early is linked before the build, late after it: no build reads what the application's own user wrote.
early= late=
nl='
'
while IFS= read -r d; do
	[ -n "$d" ] || continue
	[ -d "$root/shared/$d" ] || as "$owner" mkdir -p "$root/shared/$d"
	if [ "$writer" = "$owner" ]; then early=$early$d$nl; continue; fi
	( give "$d" )
	late=$late$d$nl
done <<END
$dirs
END
while IFS= read -r f; do
	[ -n "$f" ] || continue
	[ -e "$root/shared/$f" ] || die "linked file $root/shared/$f is not there"
	if [ "$writer" != "$owner" ] && written "$f"; then late=$late$f$nl; else early=$early$f$nl; fi
done <<END
$files
END
as "$owner" /bin/sh -c "$unpack" sh "$early" "$late" "$dirs"
