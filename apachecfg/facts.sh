# What a reload of Apache depends on, one fact a line. The values before this line are quoted assignments.
apache2ctl -t 2>&1 | sed 's/^/syntax /'
main=$(systemctl show -p MainPID --value apache2.service)
echo "main ${main:-0}"
if [ "${main:-0}" != 0 ]; then
	for fd in /proc/"$main"/fd/*; do
		case $(readlink "$fd") in socket:*) echo "own $(readlink "$fd" | tr -dc 0-9)" ;; esac
	done
	cat /etc/apache2/mods-enabled/*.load | awk '$1 == "LoadModule" { print $3 }' | while read -r module; do
		grep -q " $module\$" /proc/"$main"/maps || echo "unloaded $module"
	done
fi
awk '$4 == "0A" { split($2, a, ":"); print "listen", a[2], $10 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null || true
if [ -n "$certificate" ]; then
	if [ "$(openssl x509 -in "$certificate" -noout -pubkey)" = "$(openssl pkey -in "$key" -pubout)" ] 2>/dev/null; then
		echo "pair yes"
	else
		echo "pair no"
	fi
	sed 's/^/pem /' "$certificate" || true
fi
