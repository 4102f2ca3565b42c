# What a reload of HAProxy depends on, one fact a line. The values before this line are quoted assignments; the new
# configuration is the input.
set -u
umask 077
[ -s "$state" ] || printf '1\n' >"$state"
new=$(mktemp "$config.XXXXXXXXXX") || exit 1
trap 'rm -f "$new"' EXIT
trap 'exit 1' HUP INT TERM
cat >"$new" || exit 1
haproxy -v | sed -n '1s/^/version /p'
if output=$(haproxy -c -dW -f "$new" 2>&1); then echo "valid yes"; fi
printf '%s\n' "$output" | sed 's/^/check /'
if systemctl is-active --quiet "$unit"; then
	loaded=$good
	[ -s "$good" ] || loaded=$config
	awk '$1 == "bind" { print "bound", $2 }' "$loaded"
fi
awk '$4 == "0A" { print "listen", $2 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null || true
for file in $certificates; do
	sed -n "/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/s|^|pem $file |p" "$file" || true
done
