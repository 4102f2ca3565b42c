releases=$root/releases shared=$root/shared
partial=$releases/.$name.partial tarball=$releases/.$name.tar.gz
id -- "$owner" >/dev/null
[ -n "$group" ] || group=$(id -gn -- "$owner")
[ -n "$writer" ] || writer=$owner
id -- "$writer" >/dev/null

# folder DIR USER makes a directory with its parents, which belong to the owner of the code.
folder() {
	[ ! -d "$1" ] || return 0
	folder "$(dirname "$1")" "$owner"
	mkdir "$1" && chown "$2:$group" "$1"
}
mkdir -p "$(dirname "$root")"
folder "$releases" "$owner"
folder "$shared" "$owner"

exec 9>"$releases/.lock"
flock -w 60 9 || { echo 'another installation has been running for a minute' >&2; exit 1; }
if [ -d "$releases/$name" ]; then cat >/dev/null; exit 0; fi

rm -rf "$partial"
trap 'rm -rf "$tarball"' EXIT
cat >"$tarball"
echo "$sha  $tarball" | sha256sum --check --status || { echo 'the tarball was damaged on its way' >&2; exit 1; }
mkdir "$partial"
tar --extract --gzip --no-same-owner --file "$tarball" --directory "$partial"
printf '%s\n' "$revision" >"$partial/REVISION"
printf '%s\n' "$created" >"$partial/REVISION_TIME"

# link PATH leads from the release to what all releases share.
link() {
	rm -rf "${partial:?}/$1"
	mkdir -p "$(dirname "$partial/$1")"
	ln -s "$shared/$1" "$partial/$1"
}
while IFS= read -r d; do
	[ -n "$d" ] || continue
	folder "$shared/$d" "$writer"
	link "$d"
done <<END
$dirs
END
while IFS= read -r f; do
	[ -n "$f" ] || continue
	[ -e "$shared/$f" ] || { echo "linked file $shared/$f is not there" >&2; exit 1; }
	link "$f"
done <<END
$files
END

chown -R -h "$owner:$group" "$partial"
find "$partial" -exec touch -h -d "@$made" {} +
if [ -n "$build" ]; then
	home=$(getent passwd "$owner" | cut -d: -f6)
	cd "$partial"
	runuser -u "$owner" -- env HOME="$home" /bin/sh -c "$build" </dev/null 9>&-
	cd /
fi
touch -h -d "@$made" "$partial"
mv -T "$partial" "$releases/$name"
