early=$1 late=$2 dirs=$3
cd "$root/releases"
if [ -d "$name" ] && [ ! -L "$name" ]; then cat >/dev/null; exit 0; fi
[ ! -e "$name" ] && [ ! -L "$name" ] || { echo "$root/releases/$name is not a release: remove it" >&2; exit 1; }
mkdir ".$name.partial"
cd ".$name.partial"
tar --extract --gzip --no-same-owner --no-same-permissions --file -
chmod -R u+rwX .
rm -rf REVISION REVISION_TIME
printf '%s\n' "$revision" >REVISION
printf '%s\n' "$created" >REVISION_TIME

# replace PATH removes what a release has there, but not through a link: the build may have put one above it.
replace() {
	above=./$1
	while above=$(dirname "$above") && [ "$above" != . ]; do
		[ ! -L "$above" ] || { echo "linked path $1 lies beneath $above, which is a link in the release" >&2; exit 1; }
	done
	rm -rf "./$1"
	mkdir -p "$(dirname "./$1")"
}

# link leads from the release to what all releases share.
link() {
	while IFS= read -r p; do
		[ -n "$p" ] || continue
		replace "$p"
		ln -s "$root/shared/$p" "./$p"
	done <<END
$1
END
}
link "$early"
find . -exec touch -h -d "@$made" {} +
if [ -n "$build" ]; then
	while IFS= read -r d; do # in place of what it must not read, the build has folders of its own
		[ -z "$d" ] || [ -d "./$d" ] || { replace "$d"; mkdir "./$d"; }
	done <<END
$dirs
END
	( export LANG=C.UTF-8; exec /bin/sh -c "$build" ) </dev/null
fi
link "$late"
cd "$root/releases"
touch -h -d "@$made" ".$name.partial"
mv -T ".$name.partial" "$name"
