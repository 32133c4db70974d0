#!/bin/sh
# Boots systemd on a copy of this machine's root that forgets what is written to it. To be run as the first process of a PID
# namespace, in a mount namespace that nobody else sees:  boot.sh DIRECTORY CGROUP
# What a container manager has to provide is written down at https://systemd.io/CONTAINER_INTERFACE/.
set -e
dir=$1 root=$1/root cgroup=$2

if [ "$3" != inside ]; then
	echo 0 >"$cgroup/cgroup.procs"
	exec unshare --cgroup sh "$0" "$dir" "$cgroup" inside
fi

mkdir "$dir/upper" "$dir/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" "$root"
cd "$root"

# Nothing that this machine's administrator has set up is to be started, mounted or read.
rm -rf etc/systemd/system etc/fstab etc/crypttab etc/modules-load.d etc/oidcs3 var/lib/oidcs3 var/log/journal
mkdir -p etc/systemd/system/multi-user.target.wants
: >etc/machine-id
cat >etc/systemd/system/test.target <<END
[Unit]
Requires=basic.target
After=basic.target
END

mount -t proc proc proc
mount -o bind,ro proc/sys proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=0755 tmpfs dev
for name in null zero full random urandom tty; do
	: >"dev/$name"
	mount -o bind "/dev/$name" "dev/$name"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=0755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp

pivot_root . mnt
umount -l /mnt
cd /
# As on a booted machine: what systemd mounts for a service beside it, such as its credentials, reaches the service.
mount --make-rshared /
# Modules, clock and kernel log are the whole machine's.
exec setpriv --bounding-set -sys_module,-sys_rawio,-sys_time,-syslog \
	env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=test.target --log-target=journal --show-status=no </dev/null
