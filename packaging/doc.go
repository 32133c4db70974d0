// Package packaging holds what the host's packages are made of: systemd units, the user, the scripts that dpkg and rpm
// run, and nfpm.yaml, which lists it all. `make package` builds them. There is no code here but the tests.
package packaging
