// Package packaging holds what the host's packages are made of: systemd units, the user, the scripts that dpkg and rpm
// run, and nfpm.yaml, which lists it all. `make package` builds them. The scripts release and reproducible build what a release
// consists of. There is no code here but the tests.
package packaging
