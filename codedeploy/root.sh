set -eu
umask 022
cd /
die() { echo "$*" >&2; exit 1; }

# as USER COMMAND... runs it with the rights and in the environment of that user, who does not get the lock.
as() { (
	user=$1; shift
	[ "$user" = "$owner" ] && [ -n "$group" ] || group=$(id -gn -- "$user")
	exec setpriv --reuid "$user" --regid "$group" --init-groups --reset-env -- "$@" 9>&-
) }

# enter goes to the releases if they are the owner's own. What root then removes by a relative name lies there, whatever
# link is put where meanwhile: rm and mv do not follow one that they are given.
enter() {
	cd -P -- "$root/releases" || exit 1
	[ "$(stat -c %U .)" = "$owner" ] || die "$root/releases is $PWD, which belongs to $(stat -c %U .) and not to $owner"
}

# The lock of one Root lies where only root can take it.
lock() {
	mkdir -p -m 700 /run/codedeploy
	exec 9>>"/run/codedeploy/$(printf %s "$root" | tr / -)"
	flock "$@" 9
}

# sweep removes what runs that failed or were killed have left. Whoever has the lock knows that nobody works on it.
sweep() { ( enter && rm -rf .[0-9]*.partial .[0-9]*.gone .[0-9]*.tar.gz ) }
