set -e
# Makes a bare base image into what a cloud's Debian image is after its first boot: systemd, sshd, a login
# user with password-less sudo, and nothing else that a site could come to rely on.
export DEBIAN_FRONTEND=noninteractive
# As the published slim images have it; and nothing survives the machine's power failure here anyway.
cat >/etc/dpkg/dpkg.cfg.d/10-container <<'CONF'
force-unsafe-io
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/ri/*
CONF
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
apt-get -q update
apt-get -q install -y --no-install-recommends \
	systemd systemd-sysv dbus libpam-systemd openssh-server sudo ca-certificates iproute2 \
	curl zstd procps kmod less netbase
rm -f /usr/sbin/policy-rc.d /etc/ssh/ssh_host_*

id admin >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --comment 'Login user' --uid 1000 admin 2>/dev/null ||
	{ userdel -r ubuntu; useradd --create-home --shell /bin/bash --comment 'Login user' --uid 1000 admin; }
echo 'admin ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/90-admin
chmod 440 /etc/sudoers.d/90-admin
install -d -o admin -g admin -m 700 /home/admin/.ssh

cat >/etc/ssh/sshd_config.d/10-cloud.conf <<'CONF'
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
ClientAliveInterval 30
CONF
mkdir -p /etc/systemd/system.conf.d /etc/systemd/journald.conf.d
printf '[Manager]\nDefaultTimeoutStopSec=10s\n' >/etc/systemd/system.conf.d/10-container.conf

# What belongs to hardware, to consoles, or to a clock's whim.
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-udevd-kernel.socket systemd-udevd-control.socket \
	systemd-firstboot.service systemd-networkd-wait-online.service systemd-modules-load.service systemd-remount-fs.service \
	console-getty.service getty.target getty@tty1.service sys-kernel-debug.mount sys-kernel-tracing.mount \
	sys-fs-fuse-connections.mount sys-kernel-config.mount dev-hugepages.mount dev-mqueue.mount \
	proc-sys-fs-binfmt_misc.automount modprobe@.service \
	apt-daily.timer apt-daily-upgrade.timer fstrim.timer e2scrub_all.timer; do
	ln -sf /dev/null "/etc/systemd/system/$unit"
done
systemctl set-default multi-user.target >/dev/null 2>&1
systemctl enable ssh.service >/dev/null 2>&1
systemctl disable ssh.socket >/dev/null 2>&1 || true
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id
apt-get clean
rm -rf /var/lib/apt/lists/* /var/log/*.log /var/log/apt/*
