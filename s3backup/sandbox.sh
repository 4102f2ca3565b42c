# Runs a program that sees nothing of the machine but its programs, read only, and one directory. In a mount and a network
# namespace of its own; see sandbox.go. Arguments: the directory, the user's number, kilobytes of address space, then the
# program's directory and the program with its arguments.
set -eu
dir=$1 user=$2 memory=$3 home=$4
shift 4
root=$dir/root
mkdir -p "$root"
mount -t tmpfs -o size=4m,mode=755 s3backup "$root"

# show DIRECTORY: the same directory in there, to be read
show() {
	mkdir -p "$root$1"
	mount --bind "$1" "$root$1"
	mount -o remount,bind,ro,nosuid "$root$1"
}
for d in /bin /sbin /lib /lib32 /lib64 /usr "$home" /etc/alternatives; do
	if [ -L "$d" ]; then
		cp -P "$d" "$root$d"
	elif [ -d "$d" ] && [ ! -e "$root$d" ]; then
		show "$d"
	fi
done
for f in /etc/ld.so.cache /etc/localtime /etc/nsswitch.conf; do
	[ ! -e "$f" ] || cp -L "$f" "$root$f"
done
echo "scratch:x:$user:$user::/:/bin/false" > "$root/etc/passwd"
echo "127.0.0.1 localhost" > "$root/etc/hosts"
mkdir "$root/dev"
for f in null zero random urandom; do
	touch "$root/dev/$f"
	mount --bind "/dev/$f" "$root/dev/$f"
done
mkdir -p "$root$dir"
mount --bind "$dir" "$root$dir"
mount -o remount,ro "$root"

# Where memory runs out this one goes first.
echo 1000 > /proc/self/oom_score_adj || true
ulimit -v "$memory"
exec chroot "$root" setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all -- \
	sh -c 'cd "$0" && exec "$@"' "$dir" "$@"
