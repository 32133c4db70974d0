// Package shippers holds the tests that run other vendors' clients, as they are installed, on the credentials that
// oidcs3-upload gives away: with credential_process, a shared credentials file, a web identity token file and the container
// credentials endpoint. There is no code here but the tests.
package shippers
